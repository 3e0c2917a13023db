// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>

#include <tap/pg/catalog/tables.hpp>
#include <tap/pg/connection.hpp>

#include "block_ranges.hpp"
#include "position.hpp"
#include "row_projection.hpp"
#include "sync/initial_snapshot.hpp"
#include "sync/stream_output.hpp"
#include "table_scan.hpp"
#include "table_transactions.hpp"

namespace tap::sync {

/// Copies a whole table in one snapshot: SCHEMA, RECORDs with STATEs between them, ACTIVATE_VERSION.
///
/// Tables are read in the order of their files, and each STATE has the position reached: the bookmark has the
/// key `copy` until the copy is finished. Where the server has TID range scans, a table is read in ranges of
/// blocks, and a position is the end of a range; before version 14 the ctid of each row is read. An
/// interrupted copy resumes in a new snapshot, from the position in the bookmark, with the rows that were not
/// sent and those written since. The copy of a view, whose rows have no positions, restarts, as does that of
/// a table with row-level security.
class FullTable {
 public:
  /// The arguments must outlive the object. `initial_snapshot` is for log-based streams.
  FullTable(const StreamPlan& plan, const config::Config& config, TableTransactions& transactions,
            StreamOutput& output, InitialSnapshotHooks initial_snapshot = {})
      : plan_(plan),
        config_(config),
        transactions_(transactions),
        output_(output),
        initial_snapshot_(std::move(initial_snapshot)) {}

  /// Copies from the bookmark's position to the end. If it throws, the bookmark is up to date and has been
  /// written as STATE; after a transient error another attempt resumes from it. Throws StreamError,
  /// TransientError, ServerError, Interrupted, and what singer::Writer throws, after which no STATE follows.
  void attempt(pg::Connection& connection);

 private:
  void copy_table(pg::Connection& connection);
  /// Reads the bookmark's position and begins the transaction that the copy runs in.
  pg::Relation open_snapshot(pg::Connection& connection);
  /// Decides where the copy begins, and initializes `position_`. False if the bookmark has a position that
  /// cannot be resumed from: it has been discarded, and the copy needs another snapshot.
  bool choose_start(pg::Connection& connection, const pg::Relation& relation,
                    const RowProjection& projection);
  /// Removes an interrupted copy that cannot be resumed from the bookmark.
  void discard_copy();
  /// The attribute numbers of the columns read, with a row filter those of all columns, see CopyPosition.
  [[nodiscard]] std::map<std::string, int> attribute_numbers(const pg::Relation& relation,
                                                             const RowProjection& projection) const;
  void begin_stream(const RowProjection& projection, bool is_resumed);
  void finish_stream(const pg::Relation& relation, std::int64_t version);
  void read_partitions(pg::Connection& connection, const pg::Relation& relation,
                       const RowProjection& projection, const singer::RecordFrame& frame);
  void read_partition(pg::Connection& connection, const pg::Partition& partition,
                      const pg::Relation& relation, const RowProjection& projection,
                      const singer::RecordFrame& frame);
  /// A query for the partition's rows; `with_ctid`, each begins with its ctid, and they are in this order.
  [[nodiscard]] TableQuery query_for(const pg::Partition& partition, const pg::Relation& relation,
                                     const RowProjection& projection, bool with_ctid = false) const;
  /// True if reading the partition brings the copy to new positions.
  [[nodiscard]] bool moves_position(const pg::Partition& partition) const;
  /// True if rows of it had been sent before this attempt.
  [[nodiscard]] bool is_begun(Oid partition) const {
    return resumed_from_ && (resumed_from_->is_done(partition) || resumed_from_->partition == partition);
  }
  /// Where the rows that remain to be sent begin.
  [[nodiscard]] Ctid start_of(const pg::Partition& partition) const;
  [[nodiscard]] BlockRanges ranges_of(const pg::Partition& partition, std::size_t readers = 1) const;

  /// Reads a partition, or what remains of it, in ranges that move the position.
  void read_ranges(pg::Connection& connection, const TableQuery& query, const pg::Partition& partition,
                   const RowProjection& projection, const singer::RecordFrame& frame);
  /// Reads the rows of an interrupted partition that were written since, among those that had been sent.
  void read_changes_before_ranges(pg::Connection& connection, const TableQuery& query,
                                  const pg::Partition& partition, const RowProjection& projection,
                                  const singer::RecordFrame& frame);
  void finish_range(const pg::Partition& partition, Ctid ctid);
  /// Removes and returns the partitions to be read with several connections: none if they have few blocks.
  std::vector<pg::Partition> take_for_parallel(std::vector<pg::Partition>& partitions) const;
  void read_in_parallel(pg::Connection& connection, const std::vector<pg::Partition>& partitions,
                        const pg::Relation& relation, const RowProjection& projection,
                        const singer::RecordFrame& frame);
  /// Reads rows with one query. `partition` is null for rows without a ctid, which do not move the position.
  void read_rows(pg::Connection& connection, const std::string& query, const pg::Partition* partition,
                 const RowProjection& projection, const singer::RecordFrame& frame);
  /// All rows of the snapshot up to `ctid` in this partition, and all changes before, have been sent.
  void move_position(const pg::Partition& partition, Ctid ctid);
  /// For a copy in ranges: a STATE within a range would have the position of the previous one.
  void write_state_if_due();
  void save_position();

  const StreamPlan& plan_;
  const config::Config& config_;
  TableTransactions& transactions_;
  StreamOutput& output_;
  InitialSnapshotHooks initial_snapshot_;

  std::string time_extracted_;
  std::optional<FollowFrom> follow_from_;     ///< where WAL is followed from once the copy is finished
  std::optional<Lsn> replay_lsn_;             ///< on a standby: the snapshot includes everything up to here
  std::optional<CopyPosition> resumed_from_;  ///< where this attempt resumes
  bool has_new_version_ = false;              ///< this run began the bookmark's version
  std::map<Oid, BlockRanges::File> files_;    ///< of the partitions that are read in ranges
  CopyPosition position_;                     ///< how far this attempt has come
  /// False with row-level security: other rows may be visible later, and a policy can use an index, so that
  /// rows are not in the order of the file.
  bool is_resumable_ = true;
  bool has_position_ = false;  ///< it has passed `resumed_from_`
};

}  // namespace tap::sync
