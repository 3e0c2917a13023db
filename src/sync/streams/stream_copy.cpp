// SPDX-License-Identifier: Apache-2.0
#include "stream_copy.hpp"

#include <tap/base/log.hpp>

#include "sync/bookmark.hpp"
#include "sync/copy/full_table.hpp"
#include "sync/copy/incremental.hpp"
#include "sync/stream_output.hpp"

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

void copy_by_method(RetryingConnection& database, const StreamPlan& stream, const config::Config& config,
                    TableTransactions& transactions, WalReplication& logs, StreamOutput& output) {
  if (stream.method == singer::ReplicationMethod::incremental) {
    copy_with_retries(database, stream, config, output, Incremental(stream, config, transactions, output));
  } else if (stream.method == singer::ReplicationMethod::full_table) {
    copy_with_retries(database, stream, config, output, FullTable(stream, config, transactions, output));
  } else {
    const InitialSnapshotHooks initial_snapshot{
        .open =
            [&](pg::Connection& connection, const std::string& unusable) {
              return logs.open_initial_snapshot(stream, connection, unusable);
            },
        .finish = finish_initial_snapshot};
    copy_with_retries(database, stream, config, output,
                      FullTable(stream, config, transactions, output, initial_snapshot));
  }
}

/// Copies the stream, and reports its end however it ends.
void copy_and_report(RetryingConnection& database, const StreamPlan& stream, const config::Config& config,
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
    copy_by_method(database, stream, config, transactions, logs, output);
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

}  // namespace

std::optional<std::string> copy_stream(RetryingConnection& database, const StreamPlan& stream,
                                       const config::Config& config, TableTransactions& transactions,
                                       WalReplication& logs, StateWriter& states, singer::Writer& writer,
                                       StreamReport& report) {
  const auto fail = [&](const Error& error) {
    log::error("stream {}: {}", stream.stream.id, message_with_hint(error));
    report.status = StreamReport::Status::failed;
    report.error = error.what();
    database.drop();
    return report.error;
  };
  std::optional<std::string> failure;
  try {
    copy_and_report(database, stream, config, transactions, logs, states, writer, report);
  } catch (const StreamError& error) {
    failure = fail(error);
  } catch (const pg::ServerError& error) {  // transient, too: its retries are exhausted
    failure = fail(error);
  }
  database.drop_if_large();
  return failure;
}

}  // namespace tap::sync
