// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <iterator>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <tap/base/log.hpp>
#include <tap/sync/run.hpp>

#include "bookmark.hpp"
#include "progress.hpp"
#include "retrying_connection.hpp"
#include "stream_output.hpp"
#include "sync/copy/full_table.hpp"
#include "sync/copy/incremental.hpp"
#include "sync/wal/replication.hpp"

namespace tap::sync {

namespace {

/// Copies one stream with retries. A refused connection fails only the streams of that database, unless it is
/// the configured one; a malformed answer fails the stream.
template <class Copy>
void copy_with_retries(RetryingConnection& database, const StreamPlan& stream, const config::Config& config,
                       StreamOutput& output, Copy copy) {
  BookmarkProgress progress(output.bookmark());
  try {
    database.attempt_until_done(
        stream.database, stream.stream.id, [&](pg::Connection& connection) { copy.attempt(connection); },
        [&] { return progress.has_advanced(output.bookmark()); });
  } catch (const pg::DatabaseError& error) {
    if (stream.database == config.server.database()) {
      throw;
    }
    throw StreamError(error.problem());
  } catch (const MalformedAnswer& error) {
    throw StreamError(error.what());
  }
}

void copy_stream(RetryingConnection& database, const StreamPlan& stream, const config::Config& config,
                 TableTransactions& transactions, WalReplication& logs, StreamOutput& output) {
  if (stream.method == singer::ReplicationMethod::incremental) {
    copy_with_retries(database, stream, config, output, Incremental(stream, config, transactions, output));
  } else if (stream.method == singer::ReplicationMethod::full_table) {
    copy_with_retries(database, stream, config, output, FullTable(stream, config, transactions, output));
  } else {
    const InitialSnapshotHooks initial_snapshot{
        .open = [&](pg::Connection& connection,
                    bool needs_newer) { return logs.open_initial_snapshot(stream, connection, needs_newer); },
        .finish = finish_initial_snapshot};
    copy_with_retries(database, stream, config, output,
                      FullTable(stream, config, transactions, output, initial_snapshot));
  }
}

void sync_stream(RetryingConnection& database, const StreamPlan& stream, const config::Config& config,
                 TableTransactions& transactions, WalReplication& logs, StateWriter& states,
                 singer::Writer& writer, StreamReport& report) {
  StreamOutput output(stream, config, states, writer);
  const auto note_end = [&](StreamReport::Status status) {
    report.status = status;
    report.rows = output.rows();
    report.bytes = output.bytes();
    report.took = output.elapsed();
  };
  try {
    copy_stream(database, stream, config, transactions, logs, output);
  } catch (const singer::OutputError&) {
    note_end(StreamReport::Status::incomplete);
    throw;  // the last output was not received
  } catch (...) {
    output.report_end(false);
    note_end(StreamReport::Status::incomplete);
    throw;
  }
  output.report_end(true);
  note_end(StreamReport::Status::succeeded);
}

/// Copies the streams that are not read from WAL. Returns the IDs of those that failed.
std::vector<std::string> copy_streams(const std::vector<StreamPlan>& streams, RetryingConnection& database,
                                      const config::Config& config, WalReplication& logs, StateWriter& states,
                                      singer::Writer& writer, RunReport& report) {
  std::vector<const StreamPlan*> to_copy;
  for (const StreamPlan& stream : streams) {
    if (!logs.has_initial_snapshot(stream) && !logs.has_failed(stream)) {
      to_copy.push_back(&stream);
    }
  }
  TableTransactions transactions(to_copy);
  std::vector<std::string> failed;
  for (const StreamPlan* each : to_copy) {
    const StreamPlan& stream = *each;
    bool is_complete = false;
    const auto fail = [&](const Error& error) {
      log::error("stream {}: {}", stream.stream.id, message_with_hint(error));
      failed.push_back(stream.stream.id);
      report.fail(stream.stream.id, error.what());
      database.drop();
    };
    try {
      sync_stream(database, stream, config, transactions, logs, states, writer,
                  report.stream(stream.stream.id));
      is_complete = true;
    } catch (const StreamError& error) {
      fail(error);
    } catch (const pg::ServerError& error) {  // transient, too: its retries are exhausted
      fail(error);
    }
    logs.note_copy(stream, is_complete);
    database.drop_if_large();
    writer.flush();
  }
  return failed;
}

}  // namespace

ExitCode run(const config::Config& config, const std::vector<singer::Stream>& catalog,
             const FullRefresh& refresh, singer::State state, const std::optional<std::string>& state_file,
             singer::Writer& writer, RunReport& report) {
  std::vector<StreamPlan> streams = plan(config, catalog, refresh, state);
  for (const Problem& problem : shared_stream_names(streams)) {
    log::warn("{}", to_text(problem));
  }
  if (streams.empty()) {
    log::info("No properties were selected: a stream is synced if its metadata says \"selected\": true");
    return ExitCode::done;
  }
  report.begin(streams, state);
  const bool any_log_based = std::ranges::any_of(streams, [](const StreamPlan& stream) {
    return stream.method == singer::ReplicationMethod::log_based;
  });
  RetryingConnection primary(config, any_log_based ? pg::primary_of(config.server) : config.server);
  std::optional<RetryingConnection> secondary;
  if (config.secondary.used) {
    secondary.emplace(config, config.copy_server());
  }
  RetryingConnection& copies = secondary ? *secondary : primary;
  WalReplication logs(config, streams, state, state_file);
  StateWriter states(config, state, writer);
  const auto write_new_gaps = [&] {
    if (logs.has_new_gaps()) {
      states.write();
      writer.flush();
    }
  };
  try {
    logs.prepare(primary, report);
  } catch (...) {
    write_new_gaps();
    throw;
  }
  write_new_gaps();
  logs.add_row_filters(streams);
  std::vector<std::string> failed = logs.failed();
  const Progress progress("");
  try {
    std::ranges::copy(copy_streams(streams, copies, config, logs, states, writer, report),
                      std::back_inserter(failed));
    report.server_version = copies.server_version();
    std::ranges::copy(logs.read_wal(primary, states, writer, report), std::back_inserter(failed));
  } catch (const singer::OutputError&) {
    report.forget_bookmarks();
    throw;
  } catch (...) {
    report.server_version = copies.server_version();
    report.note_bookmarks(state);
    states.write_postponed();
    throw;
  }
  report.note_bookmarks(state);
  states.write_postponed();
  log::info("{} of {} streams, {} rows, {} in {:.1f} s", report.count(StreamReport::Status::succeeded),
            streams.size(), report.rows(), readable_size(report.bytes()), progress.elapsed().count());
  if (!failed.empty()) {
    log::critical("{} of {} streams failed: {}", failed.size(), streams.size(), fmt::join(failed, ", "));
    return ExitCode::run_failed;
  }
  return ExitCode::done;
}

}  // namespace tap::sync
