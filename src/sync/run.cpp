// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <optional>

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <tap/sync/run.hpp>

#include "full_table.hpp"

namespace tap::sync {

namespace {

/// The connection in use. Streams of one database share it as long as it is good.
class Database {
 public:
  explicit Database(const pg::Server& server) : server_(server) {}

  pg::Connection& connection(const std::string& name) {
    if (!connection_ || name_ != name) {
      connection_.reset();
      connection_.emplace(server_, name);
      name_ = name;
    }
    return *connection_;
  }
  /// After a fault in the middle of something a new connection is the simplest way out of it.
  void drop() { connection_.reset(); }

 private:
  const pg::Server& server_;
  std::string name_;
  std::optional<pg::Connection> connection_;
};

void log_copied(const StreamPlan& stream, std::uint64_t rows, std::chrono::duration<double> took) {
  spdlog::info(R"(METRIC: {{"type":"counter","metric":"record_count","value":{},"tags":{{"stream":{}}}}})", rows,
               to_text(stream.name));
  spdlog::info("{}: {} rows in {:.1f} s", stream.stream.id, rows, took.count());
}

}  // namespace

ExitCode run(const config::Config& config, const std::vector<singer::Stream>& catalog, singer::State state,
             singer::Writer& writer) {
  const std::vector<StreamPlan> streams = plan(config, catalog, state);
  if (streams.empty()) {
    spdlog::info("No properties were selected: a stream is synced if its metadata says \"selected\": true");
  }
  Database database(config.server);
  std::string failed;
  for (const StreamPlan& stream : streams) {
    const auto start = std::chrono::steady_clock::now();
    try {
      const std::uint64_t rows =
          copy_full_table(database.connection(stream.database), stream, config, state, writer);
      log_copied(stream, rows, std::chrono::steady_clock::now() - start);
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
