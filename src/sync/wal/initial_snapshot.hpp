// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>

#include <tap/config/config.hpp>
#include <tap/pg/catalog/slots.hpp>

#include "sync/initial_snapshot.hpp"

namespace tap::sync {

/// Exports a snapshot of `database` on a connection of its own, which waits for each open transaction for at
/// most `lock_timeout`. If that fails, falls back to the confirmed flush LSN of `slot` with a warning.
/// `connection` is used to look the slot up. Throws Error (log_based_unprepared) if there is no such slot,
/// and what pg::Connection::query() does.
InitialSnapshot export_initial_snapshot(const config::Config& config, pg::Connection& connection,
                                        const std::string& database, const std::string& slot,
                                        std::chrono::seconds lock_timeout);

/// The same for a copy from a standby, which cannot export a snapshot at an exact position: how far the
/// standby had replayed WAL before the copy takes its snapshot. Waits until that is at or past `slot_start`,
/// the first position that the slot can send. Throws Error (log_based_unprepared) if the server is not a
/// standby or does not get there in time.
InitialSnapshot standby_initial_snapshot(pg::Connection& standby, Lsn slot_start);

/// Completes the bookmark of a finished initial snapshot, see InitialSnapshotHooks::finish.
void finish_initial_snapshot(Json& bookmark, const pg::Relation& relation, Lsn lsn,
                             std::uint64_t snapshot_xmax);

}  // namespace tap::sync
