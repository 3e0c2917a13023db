// SPDX-License-Identifier: Apache-2.0
#include "stream_schema.hpp"

#include <set>

namespace tap::sync {

Json stream_schema(const singer::Stream& stream, const std::vector<std::string>& columns,
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

}  // namespace tap::sync
