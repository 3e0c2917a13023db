// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include <tap/config/config.hpp>
#include <tap/pg/catalog/slots.hpp>

#include "sync/initial_snapshot.hpp"

namespace tap::sync {

/// The snapshot that the initial copies of a database share, because exporting one waits for every open
/// transaction. It is kept by a connection of its own.
class SharedSnapshot {
 public:
  using Clock = std::chrono::steady_clock;
  /// An older one is replaced before the next copy, since it keeps VACUUM from removing rows.
  static constexpr std::chrono::minutes kLongestAge{10};
  /// Time until the next attempt if none could be exported.
  static constexpr std::chrono::minutes kRetryAfter{1};

  /// Returns the snapshot, exported if there is none, or only the one named `unusable`. If that fails, falls
  /// back to the confirmed flush LSN of `slot`, with a warning. `connection` is used to look the slot up.
  /// Throws Error (log_based_unprepared) if there is no such slot, and what pg::Connection::query() does.
  InitialSnapshot open(const config::Config& config, pg::Connection& connection, const std::string& database,
                       const std::string& slot, const std::string& unusable);
  /// No other copy will need it.
  void release() { snapshot_.reset(); }

 private:
  std::shared_ptr<pg::ExportedSnapshot> snapshot_;
  Clock::time_point exported_;
  std::optional<Clock::time_point> failed_;  ///< the last attempt to export one
};

/// The same for a copy from a standby, which cannot export a snapshot at an exact position: how far the
/// standby had replayed WAL before the copy takes its snapshot. Waits until that is at or past `required`.
/// Throws Error (log_based_unprepared) if the server is not a standby or does not get there in time.
InitialSnapshot standby_initial_snapshot(pg::Connection& standby, Lsn required);

/// Completes the bookmark of a finished initial snapshot, see InitialSnapshotHooks::finish.
void finish_initial_snapshot(Json& bookmark, const pg::Relation& relation, const FollowFrom& from,
                             std::uint64_t snapshot_xmax);

}  // namespace tap::sync
