// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <iterator>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <tap/base/log.hpp>
#include <tap/sync/run.hpp>

#include "progress.hpp"
#include "retrying_connection.hpp"
#include "state_writer.hpp"
#include "sync/streams/copy_streams.hpp"
#include "sync/wal/replication.hpp"

namespace tap::sync {

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
