// SPDX-License-Identifier: Apache-2.0
#include "stream_output.hpp"

#include <set>

namespace tap::sync {

namespace {

/// The catalog's schema as it stands, with the properties of `columns` only; in the singer_io dialect with
/// all of them, as the Python tap sends it.
Json schema_of(const singer::Stream& stream, const std::vector<std::string>& columns,
               const value::Options& options) {
  Json schema = stream.schema;
  if (options.schema_dialect == value::Options::Dialect::singer_io) {
    return schema;
  }
  const std::set<std::string> synced(columns.begin(), columns.end());
  Json properties = Json::object();
  for (auto& [name, property] : schema["properties"].items()) {
    if (synced.count(name) != 0) {
      properties[name] = std::move(property);
    }
  }
  schema["properties"] = std::move(properties);
  return schema;
}

}  // namespace

void StreamOutput::begin(const std::vector<std::string>& columns,
                         const std::vector<std::string>& bookmark_properties) {
  state_.set_currently_syncing(plan_.stream.id);
  writer_.schema(plan_.name, schema_of(plan_.stream, columns, config_.values), plan_.stream.key_properties,
                 bookmark_properties);
  write_state();
}

void StreamOutput::write_state() {
  writer_.state(state_.document());
  rows_since_state_ = 0;
  last_state_ = Clock::now();
}

void StreamOutput::end() {
  state_.set_currently_syncing(std::nullopt);
  write_state();
}

}  // namespace tap::sync
