// SPDX-License-Identifier: Apache-2.0
#include "stream_output.hpp"

#include <set>
#include <utility>

#include <tap/base/log.hpp>

namespace tap::sync {

namespace {

/// The catalog's schema with the properties of `columns` only; in the singer_io dialect with all of them, as
/// the Python tap sends it.
Json schema_of(const singer::Stream& stream, const std::vector<std::string>& columns,
               const value::EncodingOptions& options) {
  Json schema = stream.schema;
  if (options.schema_dialect == value::EncodingOptions::Dialect::singer_io) {
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

void StreamOutput::begin(const std::vector<std::string>& columns, const Json& new_properties,
                         const std::vector<std::string>& bookmark_properties) {
  begun_ = true;
  log::info("{}: {}", plan_.stream.id,
            plan_.method == singer::ReplicationMethod::incremental ? "reading rows with new keys"
                                                                   : "copying the table");
  states_.state().set_currently_syncing(plan_.stream.id);
  Json schema = schema_of(plan_.stream, columns, config_.values);
  schema["properties"].update(new_properties);
  writer_.schema(plan_.name, schema, plan_.stream.key_properties, bookmark_properties);
  states_.write_if_worthwhile();
}

void StreamOutput::write_state_after_error(bool is_last) {
  if (!begun_) {
    if (is_last) {
      states_.write_postponed();
    }
  } else if (is_last) {
    states_.write();
  } else {
    states_.write_if_worthwhile();
  }
}

void StreamOutput::end() {
  states_.state().set_currently_syncing(std::nullopt);
  states_.write_if_worthwhile();
}

std::string StreamOutput::rest() const {
  const auto done = static_cast<double>(covered_ + static_cast<std::int64_t>(rows_));
  const auto all = static_cast<double>(expected_);
  if (expected_ == 0 || done > all) {
    return "";
  }
  constexpr double percent = 100;
  const std::string time = time_left(static_cast<double>(rows_), all - done, progress_.elapsed());
  return fmt::format("{:.0f} % of about {}{}", percent * done / all, expected_,
                     time.empty() ? "" : fmt::format(", about {} left", time));
}

void StreamOutput::report_metrics(Clock::time_point now) {
  constexpr std::chrono::seconds every{60};
  if (now - last_metric_ >= every) {
    log_record_count(plan_.name, rows_ - std::exchange(reported_rows_, rows_));
    last_metric_ = now;
  }
}

void StreamOutput::report_end(bool succeeded) const {
  if (!begun_) {
    return;
  }
  const auto took = progress_.elapsed();
  log_metrics(plan_.name, rows_ - reported_rows_, bytes_, took, succeeded);
  log::info("{}: {} rows, {} in {:.1f} s, {:.0f} rows/s", plan_.stream.id, rows_, readable_size(bytes_),
            took.count(), static_cast<double>(rows_) / took.count());
}

}  // namespace tap::sync
