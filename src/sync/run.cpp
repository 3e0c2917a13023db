// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <iterator>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <tap/sync/run.hpp>

#include "database.hpp"
#include "full_table.hpp"
#include "incremental.hpp"
#include "log_replication.hpp"
#include "metric.hpp"
#include "stream_output.hpp"

namespace tap::sync {

namespace {

/// Copies one stream, in as many attempts as it takes.
template <class Copy>
void copy(Database& database, const StreamPlan& stream, const config::Config& config, StreamOutput& output) {
  Copy copy(stream, config, output);
  database.use(stream.database, stream.stream.id,
               [&](pg::Connection& connection) { copy.attempt(connection); });
}

void sync_stream(Database& database, const StreamPlan& stream, const config::Config& config,
                 LogReplication& /*logs*/, singer::State& state, singer::Writer& writer) {
  const auto start = std::chrono::steady_clock::now();
  StreamOutput output(stream, config, state, writer);
  if (stream.method == Method::incremental) {
    copy<Incremental>(database, stream, config, output);
  } else {
    copy<FullTable>(database, stream, config, output);
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  log_record_count(stream.name, output.rows());
  spdlog::info("{}: {} rows in {:.1f} s", stream.stream.id, output.rows(), took.count());
}

}  // namespace

ExitCode run(const config::Config& config, const std::vector<singer::Stream>& catalog,
             const FullRefresh& refresh, singer::State state, const std::optional<std::string>& state_file,
             singer::Writer& writer) {
  const std::vector<StreamPlan> streams = plan(config, catalog, refresh, state);
  if (streams.empty()) {
    spdlog::info("No properties were selected: a stream is synced if its metadata says \"selected\": true");
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
    } catch (const StreamError& error) {
      spdlog::error("stream {}: {}", stream.stream.id, error.what());
      failed.push_back(stream.stream.id);
      database.drop();
    }
    writer.flush();
  }
  std::ranges::copy(logs.follow(database, writer), std::back_inserter(failed));
  if (!failed.empty()) {
    spdlog::critical("these streams failed, the others are done: {}", fmt::join(failed, ", "));
    return ExitCode::run_failed;
  }
  return ExitCode::done;
}

}  // namespace tap::sync
