// SPDX-License-Identifier: Apache-2.0
#include "initial_snapshot.hpp"

#include <spdlog/fmt/fmt.h>

#include <tap/base/log.hpp>
#include <tap/base/signals.hpp>
#include <tap/sync/slots/server_requirements.hpp>

#include "records/recorded_partitions.hpp"

namespace tap::sync {

namespace {

constexpr std::chrono::seconds kStandbyPatience{60};
constexpr std::chrono::milliseconds kStandbyPause{200};

}  // namespace

InitialSnapshot open_initial_snapshot(const config::Config& config, pg::Connection& connection,
                                      const std::string& database, const std::string& slot,
                                      std::chrono::seconds patience) {
  InitialSnapshot start;
  try {
    start.snapshot = std::make_unique<pg::ExportedSnapshot>(config.server, database, patience);
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

InitialSnapshot standby_initial_snapshot(pg::Connection& standby, Lsn kept_from) {
  const auto deadline = std::chrono::steady_clock::now() + kStandbyPatience;
  while (true) {
    const Lsn replayed = pg::current_wal_lsn(standby);
    require_standby(standby, pg::decoding_status(standby));  // still, so that it was the primary's place
    if (replayed >= kept_from) {
      return {.lsn = replayed, .snapshot = nullptr};
    }
    if (std::chrono::steady_clock::now() > deadline) {
      throw Error(
          ExitCode::log_based_unprepared,
          fmt::format(
              "the standby ({}) has replayed the log up to {} only, and the slot keeps it from {} on: "
              "run again when the standby has caught up",
              standby.description(), to_text(replayed), to_text(kept_from)));
    }
    signals::sleep_for(kStandbyPause);
  }
}

void finish_initial_snapshot(Json& bookmark, const pg::Relation& relation, Lsn lsn,
                             std::uint64_t snapshot_xmax) {
  bookmark["lsn"] = lsn.value;
  bookmark["table_oid"] = relation.oid;
  const Json partitions = partition_oids(relation);
  record_partitions(
      bookmark, partitions,
      needs_next_transaction_id(relation, partitions) ? std::optional(snapshot_xmax) : std::nullopt);
}

}  // namespace tap::sync
