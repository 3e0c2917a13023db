// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <tap/base/json.hpp>
#include <tap/pg/catalog/tables.hpp>
#include <tap/pg/connection.hpp>
#include <tap/pgtypes/lsn.hpp>

namespace tap::sync {

/// Where a row is in its table's file: page and place on it (manual: System Columns, ctid).
struct Ctid {
  std::uint32_t block = 0;
  std::uint16_t offset = 0;

  auto operator<=>(const Ctid&) const = default;
};

/// What a snapshot is a snapshot of, so that another one can be compared with it.
struct SnapshotOrigin {
  std::string snapshot;  ///< text of txid_current_snapshot(): "xmin:xmax:xip"
  /// A position in WAL: of an earlier copy's snapshot, all commits that it sees end at or before it; of the
  /// current one, it sees all commits that end at or before it.
  std::optional<Lsn> lsn;
  std::string system;          ///< the cluster's identifier; empty before version 9.6
  std::uint32_t timeline = 0;  ///< 0 if unknown
};

/// The end of the last record before a position at which the server would write the next one: that one stands
/// behind the header of its page, while the position of a standby that has replayed all is the page's start.
/// `offset` is the position's in its WAL file, `page_size` the setting wal_block_size.
Lsn without_page_header(Lsn position, std::uint64_t offset, std::uint64_t page_size);

/// Reads the origin of the current transaction's snapshot. Its `lsn` is for an earlier copy: what is seen has
/// been written up to there.
SnapshotOrigin read_origin(pg::Connection& connection);

/// Call before a transaction that is to continue a copy of `from`: the position that its snapshot is going to
/// have reached at least. On a standby that is behind `from`, waits some seconds for it to catch up.
std::optional<Lsn> reached_before_snapshot(pg::Connection& connection, const std::optional<Lsn>& from);

/// True if every transaction that the snapshot of `from` sees is seen by that of `now`.
bool is_as_new(const SnapshotOrigin& now, const SnapshotOrigin& from);

/// The first transaction ID of which the snapshot has seen nothing, nor of those above; 0 if it cannot be
/// read.
std::uint64_t next_transaction(const SnapshotOrigin& origin);

/// How far the copy of a table has come. What it says has been sent: of the partitions in `done` every row,
/// of `partition` every row up to `ctid`, as the snapshot saw them. The rest of `partition`, the other
/// partitions, and what transactions that the snapshot did not see have written, are still to come.
struct CopyPosition {
  SnapshotOrigin origin;
  std::map<std::string, int> columns;  ///< what the rows that were sent had: attribute numbers by name
  Oid partition = 0;
  Oid relfilenode = 0;  ///< of `partition`: ctids are good in this file only
  Ctid ctid;
  std::vector<Oid> done;
  std::optional<Lsn> lsn;  ///< of a log-based stream's first copy: where the log goes on from

  [[nodiscard]] bool is_done(Oid oid) const;
};

/// As the bookmark keeps it under `copy`. Nothing if the value is not such a position.
Json to_json(const CopyPosition& position);
std::optional<CopyPosition> read_position(const Json& copy);

/// Why a copy cannot resume from `position`, for the log; empty if it can. `now` is the current snapshot's
/// origin, `columns` are those to be read.
std::string obstacle_to_resume(const CopyPosition& position, const pg::Relation& relation,
                               const SnapshotOrigin& now, const std::map<std::string, int>& columns);

/// The condition for the rows of `partition` that are still to come; empty for all of them.
std::string rows_to_come(const CopyPosition& position, const pg::Partition& partition,
                         pg::ServerVersion version);
/// The condition for the rows that no transaction older than `xmin` (a 32-bit transaction ID) has written.
std::string written_since(std::uint32_t xmin, pg::ServerVersion version);
/// True if transaction IDs have wrapped around since `xmin`, so that written_since() would miss rows.
bool is_too_old(pg::Connection& connection, std::uint32_t xmin);

}  // namespace tap::sync
