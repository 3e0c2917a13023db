// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>

#include <tap/config/config.hpp>
#include <tap/pg/catalog/slots.hpp>

#include "sync/initial_snapshot.hpp"

namespace tap::sync {

/// The place in the log that a copy begun now goes on from. `slot` is what keeps the log. A snapshot is
/// waited for until the transactions that are open have ended, with each of them at most `patience`.
InitialSnapshot open_initial_snapshot(const config::Config& config, pg::Connection& connection,
                                      const std::string& database, const std::string& slot,
                                      std::chrono::seconds patience);

/// The same for a copy from a standby: how far it had replayed the log before the copy's snapshot. Waits
/// until that is past `kept_from`, where the slot's log begins. Throws Error (log_based_unprepared) if it is
/// no standby, or stays behind.
InitialSnapshot standby_initial_snapshot(pg::Connection& standby, Lsn kept_from);

/// Completes the bookmark of a finished initial snapshot, see InitialSnapshotHooks::finish.
void finish_initial_snapshot(Json& bookmark, const pg::Relation& relation, Lsn lsn,
                             std::uint64_t snapshot_xmax);

}  // namespace tap::sync
