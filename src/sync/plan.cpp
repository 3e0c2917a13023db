// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <tap/base/error.hpp>
#include <tap/sync/plan.hpp>

namespace tap::sync {

namespace {

Method method_of(const singer::Stream& stream, const config::Config& config) {
  const auto& chosen = stream.replication_method ? stream.replication_method : config.default_replication_method;
  if (chosen == "FULL_TABLE") {
    return Method::full_table;
  }
  if (chosen == "INCREMENTAL" || chosen == "LOG_BASED") {
    throw Error(ExitCode::usage,
                fmt::format("replication_method {} of stream {} is not in this version: set FULL_TABLE", *chosen,
                            stream.id));
  }
  throw Error(ExitCode::usage,
              fmt::format("Unrecognized replication_method {} for stream {}: set replication-method in the "
                          "stream's metadata, or default_replication_method in the config, to FULL_TABLE, "
                          "INCREMENTAL or LOG_BASED",
                          chosen ? *chosen : "None", stream.id));
}

const char* name_of(Method method) {
  switch (method) {
    case Method::full_table:
      return "FULL_TABLE";
    case Method::incremental:
      return "INCREMENTAL";
    case Method::log_based:
      return "LOG_BASED";
  }
  return "";
}

/// Notes the method in the bookmark, which starts anew if the last run used another.
void remember_method(singer::State& state, const StreamPlan& stream) {
  constexpr const char* key = "last_replication_method";
  Json& bookmark = state.bookmark(stream.stream.id);
  if (bookmark.contains(key) && bookmark[key] != name_of(stream.method)) {
    spdlog::info("{}: the replication method was {}, is {} now: starting anew", stream.stream.id,
                 to_text(bookmark[key]), name_of(stream.method));
    bookmark = Json::object();
  }
  bookmark[key] = name_of(stream.method);
}

StreamPlan plan_stream(const config::Config& config, const singer::Stream& stream) {
  StreamPlan planned;
  planned.stream = stream;
  planned.name =
      config.schema_in_stream_name ? fmt::format("{}_{}", stream.schema_name, stream.name) : stream.name;
  planned.database = stream.database.empty() ? config.server.database() : stream.database;
  planned.method = method_of(stream, config);
  for (const singer::Column& column : stream.columns) {
    if (column.synced) {
      planned.columns.push_back(column.name);
    }
  }
  std::sort(planned.columns.begin(), planned.columns.end());
  return planned;
}

}  // namespace

std::vector<StreamPlan> plan(const config::Config& config, const std::vector<singer::Stream>& catalog,
                             singer::State& state) {
  std::vector<StreamPlan> planned;
  for (const singer::Stream& stream : catalog) {
    if (stream.selected) {
      planned.push_back(plan_stream(config, stream));
    }
  }
  std::sort(planned.begin(), planned.end(),
            [](const StreamPlan& a, const StreamPlan& b) { return a.stream.id < b.stream.id; });
  for (const StreamPlan& stream : planned) {
    remember_method(state, stream);
  }
  planned.erase(std::remove_if(planned.begin(), planned.end(),
                               [](const StreamPlan& stream) {
                                 if (stream.columns.empty()) {
                                   spdlog::warn("{}: no columns are selected, it is skipped", stream.stream.id);
                                 }
                                 return stream.columns.empty();
                               }),
                planned.end());
  std::stable_partition(planned.begin(), planned.end(), [&](const StreamPlan& stream) {
    return stream.stream.id == state.currently_syncing();
  });
  return planned;
}

}  // namespace tap::sync
