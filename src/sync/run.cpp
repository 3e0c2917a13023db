// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <iterator>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <tap/base/log.hpp>
#include <tap/sync/run.hpp>

#include "database.hpp"
#include "full_table.hpp"
#include "incremental.hpp"
#include "log_replication.hpp"
#include "metric.hpp"
#include "stream_output.hpp"

namespace tap::sync {

namespace {

/// Copies one stream, in as many attempts as it takes. A database that lets us not in is the fault of its
/// streams, unless it is the config's.
template <class Copy>
void attempt(Database& database, const StreamPlan& stream, const config::Config& config, Copy copy) {
  try {
    database.use(stream.database, stream.stream.id,
                 [&](pg::Connection& connection) { copy.attempt(connection); });
  } catch (const pg::DatabaseRefused& refused) {
    if (stream.database == config.server.database()) {
      throw;
    }
    throw StreamError(refused.complaint());
  }
}

void sync_stream(Database& database, const StreamPlan& stream, const config::Config& config,
                 const LogReplication& logs, singer::State& state, singer::Writer& writer) {
  const auto start = std::chrono::steady_clock::now();
  StreamOutput output(stream, config, state, writer);
  if (stream.method == Method::incremental) {
    attempt(database, stream, config, Incremental(stream, config, output));
  } else if (stream.method == Method::full_table) {
    attempt(database, stream, config, FullTable(stream, config, output));
  } else {
    const auto log_start = [&](pg::Connection& connection) {
      return find_log_start(config, connection, stream.database, logs.slot_of(stream));
    };
    attempt(database, stream, config, FullTable(stream, config, output, log_start));
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  log_record_count(stream.name, output.rows());
  log::info("{}: {} rows in {:.1f} s", stream.stream.id, output.rows(), took.count());
}

}  // namespace

ExitCode run(const config::Config& config, const std::vector<singer::Stream>& catalog,
             const FullRefresh& refresh, singer::State state, const std::optional<std::string>& state_file,
             singer::Writer& writer) {
  const std::vector<StreamPlan> streams = plan(config, catalog, refresh, state);
  if (streams.empty()) {
    log::info("No properties were selected: a stream is synced if its metadata says \"selected\": true");
  }
  Database database(config);
  LogReplication logs(config, streams, state, state_file);
  logs.prepare(database);
  std::vector<std::string> failed;
  for (const StreamPlan& stream : streams) {
    if (logs.follows(stream)) {
      continue;
    }
    try {
      sync_stream(database, stream, config, logs, state, writer);
      logs.note_copy(stream);
    } catch (const StreamError& error) {
      log::error("stream {}: {}", stream.stream.id, last_word(error));
      failed.push_back(stream.stream.id);
      database.drop();
    }
    writer.flush();
  }
  std::ranges::copy(logs.follow(database, writer), std::back_inserter(failed));
  if (!failed.empty()) {
    log::critical("these streams failed, the others are done: {}", fmt::join(failed, ", "));
    return ExitCode::run_failed;
  }
  return ExitCode::done;
}

}  // namespace tap::sync
