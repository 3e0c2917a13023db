// SPDX-License-Identifier: Apache-2.0
#include "replication.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <tap/base/log.hpp>
#include <tap/sync/slots/selection.hpp>
#include <tap/sync/slots/server_requirements.hpp>

#include "attempt_progress.hpp"
#include "sync/bookmark_lsn.hpp"

namespace tap::sync {

namespace {

std::string subject_of(const std::string& database) {
  return fmt::format("WAL of database {}", database);
}

std::string subject_of(const std::vector<std::string>& streams) {
  return fmt::format("{} {}", streams.size() == 1 ? "stream" : "streams", fmt::join(streams, ", "));
}

bool fails(const std::vector<PublicationFinding>& errors, const StreamPlan& stream) {
  return std::ranges::any_of(errors, [&](const PublicationFinding& error) {
    return std::ranges::find(error.streams, stream.stream.id) != error.streams.end();
  });
}

std::uint64_t count_records(const WalReader& reader) {
  std::uint64_t records = 0;
  for (const WalStream& stream : reader.streams()) {
    records += stream.records;
  }
  return records;
}

/// Logs what was read.
void log_end(const WalReader& reader, const WalSource& source, std::chrono::duration<double> took,
             bool is_complete) {
  for (const WalStream& stream : reader.streams()) {
    log_metrics(stream.plan.name, stream.records, stream.bytes, took, is_complete && !stream.failed);
  }
  log::info("{}: {} records up to {} in {:.2f} s", subject_of(source.database), count_records(reader),
            to_text(source.end), took.count());
}

/// Adds what was read to `report`, where a stream that was copied in this run has its copy.
void note_end(const WalReader& reader, std::chrono::duration<double> took, bool is_complete,
              RunReport& report) {
  using Status = StreamReport::Status;
  for (const WalStream& stream : reader.streams()) {
    StreamReport& all = report.stream(stream.plan.stream.id);
    all.rows += stream.records;
    all.bytes += stream.bytes;
    all.took += took;
    all.status = is_complete ? Status::succeeded : Status::incomplete;
  }
  for (const auto& [stream, error] : reader.failed()) {
    report.fail(stream, error);
  }
  report.wal.push_back(reader.report());
}

/// Creates a slot of wal2json for a role that may not create publications, as earlier releases did; nothing
/// if the config asks for pgoutput or for publications, if the server lacks wal2json, or if `refusal`, which
/// says why there are no publications, is a broken connection.
std::optional<pg::Slot> create_wal2json_slot(pg::Connection& connection, config::Config config,
                                             const std::string& database, const Error& refusal) {
  config::LogSettings& settings = config.log;
  if (refusal.code() != ExitCode::log_based_unprepared || !settings.create_slot ||
      settings.create_publication || settings.plugin != config::LogSettings::Plugin::automatic) {
    return std::nullopt;
  }
  settings.plugin = config::LogSettings::Plugin::wal2json;
  try {
    const pg::Slot slot =
        require_slot(connection, config, database, choose_slot(connection, config, database, {}), {});
    log::warn("replication slot {} uses wal2json, since pgoutput cannot be used: {}", slot.name,
              refusal.what());
    return slot;
  } catch (const Error& error) {
    log::debug("no slot of wal2json: {}", error.what());
    return std::nullopt;
  }
}

}  // namespace

WalReplication::WalReplication(const config::Config& config, const std::vector<StreamPlan>& streams,
                               singer::State& state, const std::optional<std::string>& state_file)
    : config_(config), state_(state) {
  for (const StreamPlan& stream : streams) {
    if (stream.method == singer::ReplicationMethod::log_based) {
      groups_[stream.database].streams.push_back(&stream);
    }
  }
  for (auto& [database, group] : groups_) {
    group.source.database = database;
    divide(group);
    group.flush_tracker.emplace(group.streams, state_, state_file);
  }
}

void WalReplication::divide(Group& group) {
  group.to_read.clear();
  group.to_copy = 0;
  for (const StreamPlan* stream : group.streams) {
    if (fails(group.errors, *stream)) {
      continue;
    }
    if (bookmark_lsn(state_.bookmark(stream->stream.id))) {
      group.to_read.push_back(stream);
    } else {
      ++group.to_copy;
    }
  }
}

void WalReplication::prepare(RetryingConnection& database, RunReport& report) {
  for (auto& [name, group] : groups_) {
    try {
      database.attempt_until_done(
          name, subject_of(name),
          [&, &group = group](pg::Connection& connection) { prepare_group(connection, group); },
          [] { return false; });
    } catch (...) {
      std::erase_if(group.records, [](const auto& each) { return !is_record_of_gap(each.second); });
      record(group);
      throw;
    }
    record(group);
    for (const PublicationFinding& error : group.errors) {
      const StreamError text(error.problem);
      log::error("{}: {}", subject_of(error.streams), message_with_hint(text));
      for (const std::string& stream : error.streams) {
        report.fail(stream, text.what());
      }
    }
    for (const StreamPlan* stream : group.streams) {
      if (fails(group.errors, *stream)) {
        failed_.push_back(stream->stream.id);
      }
    }
  }
}

void WalReplication::record(const Group& group) {
  for (const auto& [stream, record] : group.records) {
    Json& recorded = state_.bookmark(stream)[kPublicationsKey];
    has_new_gaps_ = has_new_gaps_ || (is_record_of_gap(record) && recorded != record);
    recorded = record;
  }
}

void WalReplication::add_row_filters(std::vector<StreamPlan>& streams) const {
  for (StreamPlan& stream : streams) {
    const auto group = groups_.find(stream.database);
    if (stream.method != singer::ReplicationMethod::log_based || group == groups_.end() ||
        has_failed(stream)) {
      continue;
    }
    const auto& filters = group->second.row_filters;
    if (const auto filter = filters.find(stream.stream.id); filter != filters.end()) {
      stream.where = {filter->second};
      log::info("{}: only rows with {} are synced, because {} publish no others", stream.stream.id,
                filter->second.sql, filter->second.place);
    }
  }
}

bool WalReplication::has_failed(const StreamPlan& stream) const {
  return std::ranges::find(failed_, stream.stream.id) != failed_.end();
}

void WalReplication::prepare_group(pg::Connection& connection, Group& group) {
  const pg::DecodingStatus status = pg::decoding_status(connection);
  require_logical_decoding(status);
  group.source.end = pg::current_wal_lsn(connection);
  require_replication_privilege(status, config_, group.source.database);
  const std::string& database = group.source.database;
  const std::vector<StreamPosition> known = positions(group.streams, state_);
  const SlotChoice choice = choose_slot(connection, config_, database, known);
  const std::optional<pg::Slot>& existing = choice.slot;
  std::optional<pg::Slot> created;
  group.errors.clear();
  group.records.clear();
  group.row_filters.clear();
  group.source.records.clear();
  group.source.without_updates.clear();
  if ((existing ? existing->plugin : plugin_to_create(config_.log)) == kPgoutput) {
    try {
      PublicationsToRead found =
          require_publications(connection, config_, database, streams_to_publish(group.streams, state_),
                               existing ? std::optional(existing->name) : std::nullopt);
      group.source.publications = std::move(found.names);
      group.errors = std::move(found.stream_errors);
      group.records = std::move(found.records);
      group.source.without_updates = std::move(found.without_updates);
      group.row_filters = std::move(found.row_filters);
      if (!existing && !group.errors.empty()) {
        created = create_wal2json_slot(connection, config_, database,
                                       Error(ExitCode::log_based_unprepared, group.errors.front().problem));
      }
    } catch (const Error& error) {
      created = existing ? std::nullopt : create_wal2json_slot(connection, config_, database, error);
      if (!created) {
        throw;
      }
    }
  }
  if (created) {
    group.errors.clear();
    group.records.clear();
    group.source.without_updates.clear();
    group.row_filters.clear();
  }
  divide(group);
  if (group.to_read.empty() && group.to_copy == 0) {
    return;  // all streams fail
  }
  const pg::Slot slot = created ? *created : require_slot(connection, config_, database, choice, known);
  group.source.slot = slot.name;
  group.source.plugin = slot.plugin;
  group.copies_start = slot.confirmed_flush;
  if (existing && slot.plugin == kWal2json && !choice.migration.empty()) {
    record_for_migration(connection, group);
  }
  group.may_lack_changes = existing && slot.plugin == kPgoutput;  // creating a slot waits
  group.open_transactions.reset();
  group.source.server_encoding = status.server_encoding;
  group.source.is_standby = status.in_recovery;
  require_readable(connection, config_, slot, group.source.end, known);
  if (group.to_copy > 0 && (config_.secondary.used || status.in_recovery)) {
    if (const auto problem = wait_for_unpublished_changes(connection, group)) {
      fail_copies(group, *problem);
    }
  }
}

void WalReplication::fail_copies(Group& group, const Problem& problem) {
  PublicationFinding error{PublicationFinding::Severity::error, "", problem};
  for (const StreamPlan* stream : group.streams) {
    if (!fails(group.errors, *stream) && !bookmark_lsn(state_.bookmark(stream->stream.id))) {
      error.streams.push_back(stream->stream.id);
    }
  }
  group.errors.push_back(std::move(error));
  divide(group);
}

/// The slot of pgoutput must send all changes after the bookmarks that this run writes.
void WalReplication::record_for_migration(pg::Connection& connection, Group& group) {
  const auto streams = streams_to_publish(group.streams, state_);
  auto records = record_publications(connection, config_, group.source.database, streams);
  bool any_new = false;
  for (const StreamToPublish& stream : streams) {
    const std::string& id = stream.plan->stream.id;
    if (const auto record = records.find(id); record != records.end()) {
      any_new = any_new || !stream.has_position || record->second != stream.recorded;
      (stream.has_position ? group.source.records : group.records)[id] = std::move(record->second);
    }
  }
  // New records are true of changes after the transactions that record_publications() waited for.
  const Lsn end = any_new ? pg::inserted_wal_lsn(connection) : pg::current_wal_lsn(connection);
  group.source.end = std::max(group.source.end, end);
  group.copies_start = std::max(group.copies_start, end);
}

std::optional<Problem> WalReplication::wait_for_unpublished_changes(pg::Connection& connection,
                                                                    Group& group) const {
  if (!group.may_lack_changes) {
    return std::nullopt;
  }
  if (!group.open_transactions) {
    group.open_transactions.emplace(connection);
  }
  if (auto problem = group.open_transactions->wait(connection, lock_timeout(connection, config_.server))) {
    return problem;
  }
  group.copies_start = std::max(group.copies_start, pg::inserted_wal_lsn(connection));
  group.may_lack_changes = false;  // not if the connection broke
  return std::nullopt;
}

bool WalReplication::has_initial_snapshot(const StreamPlan& stream) const {
  const auto group = groups_.find(stream.database);
  return group != groups_.end() &&
         std::ranges::find(group->second.to_read, &stream) != group->second.to_read.end();
}

InitialSnapshot WalReplication::open_initial_snapshot(const StreamPlan& stream, pg::Connection& connection,
                                                      const std::string& unusable) {
  Group& group = groups_.at(stream.database);
  const bool is_standby = group.source.is_standby && pg::decoding_status(connection).in_recovery;
  if (config_.secondary.used || is_standby) {
    return standby_initial_snapshot(connection, group.copies_start);
  }
  require_primary(connection);
  const std::lock_guard lock(snapshots_);
  InitialSnapshot initial =
      group.snapshot.open(config_, connection, stream.database, group.source.slot, unusable);
  if (initial.name.empty()) {
    auto problem = wait_for_unpublished_changes(connection, group);
    if (!problem) {
      problem = group.hidden_commits.wait(connection, lock_timeout(connection, config_.server));
    }
    if (problem) {
      throw StreamError(to_text(*problem));  // `check` does not report it
    }
  }
  return initial;
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
    group.to_read.push_back(&stream);
  }
  if (--group.to_copy == 0) {  // no other thread uses it
    group.snapshot.release();
  }
}

std::vector<std::string> WalReplication::read_wal(RetryingConnection& database, StateWriter& states,
                                                  singer::Writer& writer, RunReport& report) {
  const bool is_endless = !config_.log.stop_at_end && !config_.log.max_run && !config_.log.max_idle;
  const auto is_read = [](const auto& entry) { return !entry.second.to_read.empty(); };
  if (is_endless && std::ranges::count_if(groups_, is_read) > 1) {
    log::warn(
        "only the WAL of the first database is read, because the run does not end; run one tap per database, "
        "or set logical_poll_total_seconds or max_run_seconds");
  }
  std::vector<std::string> failed;
  for (auto& entry : groups_) {
    if (is_read(entry)) {
      Group& group = entry.second;
      std::ranges::copy(read_group(database, group, *group.flush_tracker, states, writer, report),
                        std::back_inserter(failed));
    }
  }
  return failed;
}

std::vector<std::string> WalReplication::read_group(RetryingConnection& database, const Group& group,
                                                    FlushTracker& flush_tracker, StateWriter& states,
                                                    singer::Writer& writer, RunReport& report) {
  const std::string subject = subject_of(group.source.database);
  const Progress progress(subject);
  WalReader reader(config_, group.source, group.to_read, flush_tracker, states, writer);
  AttemptProgress attempts(positions(group.to_read, state_));
  const auto attempt = [&](pg::Connection& connection) {
    attempts.begin_attempt(AttemptProgress::Clock::now(), count_records(reader));
    reader.attempt(connection);
  };
  const auto has_advanced = [&] {
    return attempts.has_advanced(AttemptProgress::Clock::now(), count_records(reader), reader.has_caught_up(),
                                 positions(group.to_read, state_));
  };
  try {
    do {
      database.drop_if_large();
      database.attempt_until_done(group.source.database, subject, attempt, has_advanced);
    } while (reader.wants_new_connections());
  } catch (...) {
    if (count_records(reader) > 0) {
      log_end(reader, group.source, progress.elapsed(), false);
    }
    note_end(reader, progress.elapsed(), false, report);
    throw;
  }
  log_end(reader, group.source, progress.elapsed(), true);
  note_end(reader, progress.elapsed(), true, report);
  std::vector<std::string> failed;
  std::ranges::transform(reader.failed(), std::back_inserter(failed), &WalStreams::Failure::stream);
  return failed;
}

}  // namespace tap::sync
