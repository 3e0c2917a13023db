// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <tap/base/json.hpp>
#include <tap/pg/catalog/tables.hpp>
#include <tap/pg/connection.hpp>
#include <tap/pgtypes/lsn.hpp>

#include "block_ranges.hpp"
#include "columns/definitions.hpp"
#include "snapshot_origin.hpp"

namespace tap::sync {

/// The progress of a table's copy. As the snapshot saw them, all rows of the partitions in `done` and the
/// rows of `partition` up to `ctid` have been sent. The rest of `partition`, the other partitions, and all
/// rows written by transactions that the snapshot did not see remain to be sent.
struct CopyPosition {
  SnapshotOrigin origin;
  std::map<std::string, int> columns;      ///< of the rows sent and of `where`: attribute numbers by name
  ColumnDefinitions definitions;           ///< of these columns; empty if an earlier version began the copy
  std::map<Oid, std::string> expressions;  ///< of all partitions, see virtual_expressions()
  std::string where;                       ///< the row filter of the rows sent, see to_sql()
  Oid partition = 0;
  Oid relfilenode = 0;  ///< of `partition`: a ctid is valid in this file only
  Ctid ctid;
  std::vector<Oid> done;
  std::optional<Lsn> lsn;  ///< initial snapshot of a log-based stream: the position in WAL to follow from

  [[nodiscard]] bool is_done(Oid oid) const;
};

/// The bookmark's `copy` object. read_position() returns nothing if the value is not a position.
Json to_json(const CopyPosition& position);
std::optional<CopyPosition> read_position(const Json& copy);

/// Why a copy cannot resume from `position`, for a log message; empty if it can. `now` is the origin of the
/// current snapshot, `columns` the attribute numbers of the columns to be read, by name, `where` the row
/// filter to be used.
std::string reason_to_restart(const CopyPosition& position, const pg::Relation& relation,
                              const SnapshotOrigin& now, const std::map<std::string, int>& columns,
                              const std::string& where);

/// About how many of the `rows` rows in `partitions` the position covers, by the blocks of their files.
std::uint64_t estimate_covered_rows(const CopyPosition& position,
                                    const std::vector<pg::Partition>& partitions, std::uint64_t rows);

/// The SQL condition for the rows of `partition` that remain to be sent; empty for all of them.
std::string remaining_rows_condition(const CopyPosition& position, const pg::Partition& partition,
                                     pg::ServerVersion version);
/// The SQL condition for the rows that were written since, among those up to the position in its partition:
/// the rest of the partition is read by itself.
std::string changed_rows_condition(const CopyPosition& position, pg::ServerVersion version);

}  // namespace tap::sync
