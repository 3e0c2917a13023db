// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include <tap/config/config.hpp>
#include <tap/pg/catalog/slots.hpp>

namespace tap::sync {

/// Where the log takes over from a stream's first copy.
struct InitialSnapshot {
  Lsn lsn;  ///< changes after it are not in the copy, or come twice
  /// To be imported by the copy, and let go then. Null if none could be had: any snapshot that is taken later
  /// will do, and changes between come twice.
  std::unique_ptr<pg::ExportedSnapshot> snapshot;
};

/// The place in the log that a copy begun now goes on from. `slot` is what keeps the log. A snapshot is
/// waited for until the transactions that are open have ended, with each of them at most `patience`.
InitialSnapshot open_initial_snapshot(const config::Config& config, pg::Connection& connection,
                                      const std::string& database, const std::string& slot,
                                      std::chrono::seconds patience);

/// The same for a copy from a standby: how far it had replayed the log before the copy's snapshot. Waits
/// until that is past `kept_from`, where the slot's log begins. Throws Error (log_based_unprepared) if it is
/// no standby, or stays behind.
InitialSnapshot standby_initial_snapshot(pg::Connection& standby, Lsn kept_from);

}  // namespace tap::sync
