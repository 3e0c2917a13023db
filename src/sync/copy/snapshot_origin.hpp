// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tap/pg/connection.hpp>
#include <tap/pg/timeline.hpp>
#include <tap/pgtypes/lsn.hpp>

namespace tap::sync {

/// A parsed txid_snapshot (manual: System Information Functions). Transaction IDs include their epoch.
struct Snapshot {
  std::uint64_t xmin = 0;            ///< all transactions below it had ended
  std::uint64_t xmax = 0;            ///< none at or above it had ended
  std::vector<std::uint64_t> xip{};  ///< those between that were running; a standby does not list them

  /// True if all transactions below xmax that are not in xip had ended.
  [[nodiscard]] bool is_exact() const { return xmin == xmax || !xip.empty(); }
};

/// Parses `xmin:xmax:xip,...`. Nothing if the text is not a snapshot.
std::optional<Snapshot> parse_snapshot(std::string_view text);

/// The server, the timeline, the database and the position in WAL that a snapshot was taken at: what two
/// snapshots are compared by.
struct SnapshotOrigin {
  std::string snapshot;  ///< text of txid_current_snapshot(): "xmin:xmax:xip"
  /// All commits that the snapshot sees end at or before this position.
  std::optional<Lsn> lsn;
  /// On a standby: the snapshot sees all commits that end at or before this position. It is not stored.
  std::optional<Lsn> replayed{};
  /// Its system is empty if unknown (before 9.6, revoked), its ID 0. A standby may report an ID that it has
  /// left.
  pg::Timeline timeline{};
  Oid database = 0;  ///< 0 if unknown
};

/// Reads the origin of the current transaction's snapshot, without `replayed`. Where the server does not
/// report positions in WAL (Aurora), only `snapshot` and `database` are set. Throws what Connection::query()
/// does.
SnapshotOrigin read_snapshot_origin(pg::Connection& connection);

/// The replay LSN of a standby, which a snapshot taken later includes; nothing on a primary. If the standby
/// is behind `required`, waits up to 30 s for it to catch up. Call before the transaction that resumes a copy
/// whose snapshot was taken at `required`. Throws what Connection::query() does, and Interrupted.
std::optional<Lsn> replay_lsn_before_snapshot(pg::Connection& connection, const std::optional<Lsn>& required);

/// True if `now` sees every transaction that `earlier` sees. Both are of the same history.
bool is_at_least_as_new(const SnapshotOrigin& now, const SnapshotOrigin& earlier);

/// True if both are the same, as far as they are known.
bool is_same_history(const pg::Timeline& a, const pg::Timeline& b);

/// The snapshot's xmax: it sees no transaction with this ID or a higher one. 0 if its text cannot be parsed.
std::uint64_t snapshot_xmax(const SnapshotOrigin& origin);

}  // namespace tap::sync
