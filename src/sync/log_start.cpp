// SPDX-License-Identifier: Apache-2.0
#include "log_start.hpp"

#include <spdlog/fmt/fmt.h>

#include <tap/base/log.hpp>

namespace tap::sync {

namespace {

constexpr std::chrono::seconds kPatience{10};  // with each transaction that is open

}  // namespace

LogStart find_log_start(const config::Config& config, pg::Connection& connection, const std::string& database,
                        const std::string& slot) {
  LogStart start;
  try {
    start.snapshot = std::make_unique<pg::ExportedSnapshot>(config.server, database, kPatience);
    start.lsn = start.snapshot->lsn();
  } catch (const Error& error) {
    const auto kept = pg::find_slot(connection, slot);
    if (!kept) {
      throw Error(ExitCode::log_based_unprepared,
                  fmt::format("replication slot {} has been dropped while the run was on its way", slot));
    }
    start.lsn = kept->confirmed_flush;
    log::warn(
        "no snapshot for the first copy could be had ({}): changes since {}, where slot {} is, will come "
        "again after it",
        error.what(), to_text(start.lsn), slot);
  }
  return start;
}

}  // namespace tap::sync
