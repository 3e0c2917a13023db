// SPDX-License-Identifier: Apache-2.0
#include <chrono>

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <tap/sync/run.hpp>

#include "database.hpp"
#include "full_table.hpp"
#include "incremental.hpp"
#include "stream_output.hpp"

namespace tap::sync {

namespace {

/// Copies one stream, in as many attempts as it takes. A database that lets us not in is the fault of its
/// streams, unless it is the config's.
template <class Copy>
void copy(Database& database, const StreamPlan& stream, const config::Config& config, StreamOutput& output) {
  Copy copy(stream, config, output);
  try {
    database.use(stream.database, stream.stream.id,
                 [&](pg::Connection& connection) { copy.attempt(connection); });
  } catch (const pg::DatabaseRefused& refused) {
    if (stream.database == config.server.database()) {
      throw;
    }
    throw StreamError(refused.what());
  }
}

void sync_stream(Database& database, const StreamPlan& stream, const config::Config& config,
                 singer::State& state, singer::Writer& writer) {
  const auto start = std::chrono::steady_clock::now();
  StreamOutput output(stream, config, state, writer);
  if (stream.method == Method::incremental) {
    copy<Incremental>(database, stream, config, output);
  } else {
    copy<FullTable>(database, stream, config, output);
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  spdlog::info(R"(METRIC: {{"type":"counter","metric":"record_count","value":{},"tags":{{"stream":{}}}}})",
               output.rows(), to_text(stream.name));
  spdlog::info("{}: {} rows in {:.1f} s", stream.stream.id, output.rows(), took.count());
}

}  // namespace

ExitCode run(const config::Config& config, const std::vector<singer::Stream>& catalog,
             const FullRefresh& refresh, singer::State state, singer::Writer& writer) {
  const std::vector<StreamPlan> streams = plan(config, catalog, refresh, state);
  if (streams.empty()) {
    spdlog::info("No properties were selected: a stream is synced if its metadata says \"selected\": true");
  }
  Database database(config);
  std::string failed;
  for (const StreamPlan& stream : streams) {
    try {
      sync_stream(database, stream, config, state, writer);
    } catch (const StreamError& error) {
      spdlog::error("stream {}: {}", stream.stream.id, error.what());
      failed += (failed.empty() ? "" : ", ") + stream.stream.id;
      database.drop();
    }
    writer.flush();
  }
  if (!failed.empty()) {
    spdlog::critical("these streams failed, the others are done: {}", failed);
    return ExitCode::run_failed;
  }
  return ExitCode::done;
}

}  // namespace tap::sync
