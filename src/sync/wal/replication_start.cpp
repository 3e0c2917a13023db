// SPDX-License-Identifier: Apache-2.0
#include "replication_start.hpp"

#include <chrono>

#include <spdlog/fmt/fmt.h>

#include "replication_error.hpp"
#include "sync/slots/history.hpp"
#include "sync/slots/slot_remedies.hpp"

namespace tap::sync {

namespace {

/// Throws the server's error if it has ended the stream already, because it cannot decode a change.
void check_for_error(pg::ReplicationStream& replication) {
  using Clock = std::chrono::steady_clock;
  constexpr std::chrono::seconds longest{1};
  const auto deadline = Clock::now() + longest;
  while (Clock::now() < deadline &&
         next_event(replication, std::chrono::milliseconds(0)) != pg::ReplicationStream::Event::nothing) {
  }
}

/// Since the run began another process may have read the slot, or dropped and created it. From here on the
/// slot is in use by this run.
void check_slot(pg::Connection& lookups, pg::ReplicationStream& replication, const std::string& name,
                const std::vector<StreamPosition>& positions) {
  const auto slot = pg::find_slot(lookups, name);
  if (!slot || !slot->active) {
    check_for_error(replication);
    throw pg::TransientError(
        ExitCode::log_based_unprepared,
        fmt::format("replication slot {} is not active on the server that lookups use ({}): the hosts have "
                    "switched roles",
                    name, lookups.description()));
  }
  require_not_past(*slot, positions);
  replication.set_confirmed(slot->confirmed_flush);
}

}  // namespace

std::unique_ptr<pg::ReplicationStream> start_replication(const config::Config& config,
                                                         const WalSource& source, pg::Connection& lookups,
                                                         Lsn start, OutputPlugin& plugin,
                                                         const std::string& tables,
                                                         const std::vector<StreamPosition>& positions) {
  constexpr const char* object_in_use = "55006";  // transient, but throw_slot_error() names the other process
  while (true) {
    try {
      auto replication = std::make_unique<pg::ReplicationStream>(config.server, source.database, source.slot,
                                                                 start, plugin.build_options(tables));
      check_slot(lookups, *replication, source.slot, positions);
      require_in_history(config.server, source.database, replication->timeline(), positions);
      return replication;
    } catch (const ReplicationError&) {
      throw;
    } catch (const pg::ServerError& error) {
      if (plugin.leave_out_unsupported(error)) {
        continue;
      }
      if (error.is_transient() && error.sqlstate() != object_in_use) {
        throw;
      }
      throw_slot_error(lookups, config.log, error, source.slot, source.plugin);
    }
  }
}

}  // namespace tap::sync
