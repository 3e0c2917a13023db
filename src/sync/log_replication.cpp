// SPDX-License-Identifier: Apache-2.0
#include "log_replication.hpp"

#include <algorithm>

#include <spdlog/fmt/fmt.h>

#include <tap/base/log.hpp>
#include <tap/sync/slot_choice.hpp>

#include "metric.hpp"

namespace tap::sync {

LogReplication::LogReplication(const config::Config& config, const std::vector<StreamPlan>& streams,
                               singer::State& state, const std::optional<std::string>& state_file)
    : config_(config), state_(state) {
  for (const StreamPlan& stream : streams) {
    if (stream.method == Method::log_based) {
      Group& group = groups_[stream.database];
      group.streams.push_back(&stream);
      if (log_position(state_.bookmark(stream.stream.id))) {
        group.to_follow.push_back(&stream);
      }
    }
  }
  for (auto& [database, group] : groups_) {
    group.source.database = database;
    group.acknowledgement.emplace(group.streams, state_, state_file);
  }
}

void LogReplication::prepare(Database& database) {
  for (auto& [name, group] : groups_) {
    database.use(name, fmt::format("log of database {}", name),
                 [&, &group = group](pg::Connection& connection) { prepare_group(connection, group); });
  }
}

void LogReplication::prepare_group(pg::Connection& connection, Group& group) {
  const pg::LogStatus status = pg::log_status(connection);
  require_logical_log(status);
  require_right_to_replicate(status, config_, group.source.database);
  group.source.slot = require_slot(connection, config_, group.source.database).name;
  group.source.server_encoding = status.server_encoding;
  group.source.end = status.flushed;
  require_readable(connection, group.source.slot, status, positions(group.streams, state_));
}

bool LogReplication::follows(const StreamPlan& stream) const {
  const auto group = groups_.find(stream.database);
  return group != groups_.end() &&
         std::ranges::find(group->second.to_follow, &stream) != group->second.to_follow.end();
}

const std::string& LogReplication::slot_of(const StreamPlan& stream) const {
  return groups_.at(stream.database).source.slot;
}

void LogReplication::note_copy(const StreamPlan& stream) {
  const auto lsn = needed_from(state_.bookmark(stream.stream.id));
  if (lsn && stream.method == Method::log_based) {
    groups_.at(stream.database).acknowledgement->hold(stream.stream.id, *lsn);
  }
}

std::vector<std::string> LogReplication::follow(Database& database, singer::Writer& writer) {
  std::vector<std::string> failed;
  for (auto& [name, group] : groups_) {
    if (group.to_follow.empty()) {
      continue;
    }
    const auto start = std::chrono::steady_clock::now();
    LogPass pass(config_, group.source, group.to_follow, *group.acknowledgement, state_, writer);
    database.use(name, fmt::format("log of database {}", name),
                 [&](pg::Connection& connection) { pass.attempt(connection); });
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    std::uint64_t records = 0;
    for (const LogStream& stream : pass.streams()) {
      log_record_count(stream.plan.name, stream.records);
      records += stream.records;
    }
    log::info("log of database {}: {} records up to {} in {:.2f} s", name, records, to_text(group.source.end),
              took.count());
    failed.insert(failed.end(), pass.failed().begin(), pass.failed().end());
  }
  return failed;
}

}  // namespace tap::sync
