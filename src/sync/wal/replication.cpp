// SPDX-License-Identifier: Apache-2.0
#include "replication.hpp"

#include <algorithm>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include <tap/base/log.hpp>
#include <tap/sync/slots/selection.hpp>
#include <tap/sync/slots/server_requirements.hpp>

#include "slot_advance.hpp"
#include "sync/bookmark_lsn.hpp"

namespace tap::sync {

namespace {

std::uint64_t count_records(const WalReader& pass) {
  std::uint64_t records = 0;
  for (const WalStream& stream : pass.streams()) {
    records += stream.records;
  }
  return records;
}

}  // namespace

WalReplication::WalReplication(const config::Config& config, const std::vector<StreamPlan>& streams,
                               singer::State& state, const std::optional<std::string>& state_file)
    : config_(config), state_(state) {
  for (const StreamPlan& stream : streams) {
    if (stream.method == singer::ReplicationMethod::log_based) {
      Group& group = groups_[stream.database];
      group.streams.push_back(&stream);
      if (bookmark_lsn(state_.bookmark(stream.stream.id))) {
        group.to_follow.push_back(&stream);
      }
    }
  }
  for (auto& [database, group] : groups_) {
    group.source.database = database;
    group.flush_tracker.emplace(group.streams, state_, state_file);
  }
}

void WalReplication::prepare(RetryingConnection& database) {
  for (auto& [name, group] : groups_) {
    database.use(
        name, fmt::format("log of database {}", name),
        [&, &group = group](pg::Connection& connection) { prepare_group(connection, group); },
        [] { return false; });
  }
}

void WalReplication::prepare_group(pg::Connection& connection, Group& group) {
  const pg::DecodingStatus status = pg::decoding_status(connection);
  require_logical_decoding(status);
  group.source.end = pg::current_wal_lsn(connection);
  require_replication_privilege(status, config_, group.source.database);
  const pg::Slot slot = require_slot(connection, config_, group.source.database);
  group.source.slot = slot.name;
  group.kept_from = slot.confirmed_flush;
  group.source.server_encoding = status.server_encoding;
  require_readable(connection, group.source.slot, group.source.end, positions(group.streams, state_));
}

bool WalReplication::follows(const StreamPlan& stream) const {
  const auto group = groups_.find(stream.database);
  return group != groups_.end() &&
         std::ranges::find(group->second.to_follow, &stream) != group->second.to_follow.end();
}

InitialSnapshot WalReplication::start_of_copy(const StreamPlan& stream, pg::Connection& connection) {
  const Group& group = groups_.at(stream.database);
  if (config_.secondary.used) {
    return standby_initial_snapshot(connection, group.kept_from);
  }
  require_primary(connection);
  constexpr std::chrono::seconds patience{10};
  constexpr std::chrono::seconds patience_after_a_failure{1};  // hundreds of streams may follow
  InitialSnapshot start = open_initial_snapshot(config_, connection, stream.database, group.source.slot,
                                                no_snapshot_ ? patience_after_a_failure : patience);
  no_snapshot_ = start.snapshot == nullptr;
  return start;
}

void WalReplication::note_copy(const StreamPlan& stream, bool is_complete) {
  if (stream.method != singer::ReplicationMethod::log_based) {
    return;
  }
  Group& group = groups_.at(stream.database);
  const Json& bookmark = state_.bookmark(stream.stream.id);
  if (const auto lsn = oldest_needed_lsn(bookmark)) {
    group.flush_tracker->hold(stream.stream.id, *lsn);
  }
  if (is_complete && !config_.log.stop_at_end && bookmark_lsn(bookmark)) {
    group.to_follow.push_back(&stream);
    group.copied.insert(&stream);
  }
}

std::vector<std::string> WalReplication::follow(RetryingConnection& database, singer::Writer& writer,
                                                Totals& totals) {
  std::vector<std::string> failed;
  const auto is_followed = [](const auto& entry) { return !entry.second.to_follow.empty(); };
  if (!config_.log.stop_at_end && !config_.log.max_run && !config_.log.max_idle &&
      std::ranges::count_if(groups_, is_followed) > 1) {
    log::warn(
        "the WAL of one database is followed without end, and that of the others is not read: run one tap "
        "for "
        "each, or set logical_poll_total_seconds or max_run_seconds");
  }
  for (auto& entry : groups_) {
    const std::string& name = entry.first;
    Group& group = entry.second;
    if (group.to_follow.empty()) {
      continue;
    }
    const std::string subject = fmt::format("log of database {}", name);
    const Progress progress(subject);
    WalReader pass(config_, group.source, group.to_follow, *group.flush_tracker, state_, writer);
    LogAdvance advance(positions(group.to_follow, state_));
    const auto tell = [&](bool whole) {
      std::uint64_t records = 0;
      for (const WalStream& stream : pass.streams()) {
        log_metrics(stream.plan.name, stream.records, stream.bytes, progress.took(), whole && !stream.failed);
        records += stream.records;
        totals.bytes += stream.bytes;
        if (!group.copied.contains(&stream.plan)) {  // else it has been counted
          totals.streams += stream.failed ? 0 : 1;
        } else if (stream.failed) {
          --totals.streams;
        }
      }
      totals.rows += records;
      log::info("{}: {} records up to {} in {:.2f} s", subject, records, to_text(group.source.end),
                progress.took().count());
    };
    try {
      do {
        database.drop_if_large();
        database.use(
            name, subject,
            [&](pg::Connection& connection) {
              advance.begin_attempt(LogAdvance::Clock::now(), count_records(pass));
              pass.attempt(connection);
            },
            [&] {
              return advance.has_advanced(LogAdvance::Clock::now(), count_records(pass), pass.was_at_end(),
                                          positions(group.to_follow, state_));
            });
      } while (pass.wants_new_connections());
    } catch (...) {
      if (std::ranges::any_of(pass.streams(), [](const WalStream& stream) { return stream.records > 0; })) {
        tell(false);
      }
      throw;
    }
    tell(true);
    failed.insert(failed.end(), pass.failed().begin(), pass.failed().end());
  }
  return failed;
}

}  // namespace tap::sync
