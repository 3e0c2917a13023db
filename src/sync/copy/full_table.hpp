// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>

#include <tap/pg/catalog/tables.hpp>
#include <tap/pg/connection.hpp>

#include "position.hpp"
#include "row_projection.hpp"
#include "sync/stream_output.hpp"
#include "sync/wal/initial_snapshot.hpp"

namespace tap::sync {

/// The copy of a whole table in one snapshot: SCHEMA, RECORDs with STATEs between, the version's activation.
/// Tables are read in the order of their files, and each STATE says how far: the bookmark's `copy` is there
/// only while the copy is not done. A copy that was cut off goes on in a new snapshot from what the bookmark
/// says, with the rows that were not read and those that have been written since; a view, which has no order
/// to go on in, starts anew.
class FullTable {
 public:
  /// `initial_snapshot` is for the first copy of a log-based stream: it tells where the log takes over.
  FullTable(const StreamPlan& plan, const config::Config& config, StreamOutput& output,
            std::function<InitialSnapshot(pg::Connection&)> initial_snapshot = {})
      : plan_(plan), config_(config), output_(output), initial_snapshot_(std::move(initial_snapshot)) {}

  /// Reads from the bookmark to the end. If it throws, the bookmark is up to date and has been written as
  /// STATE, and after TransientError or ServerError another attempt goes on from it. Throws StreamError,
  /// TransientError, Interrupted, and what Writer throws, after which there is no STATE.
  void attempt(pg::Connection& connection);

 private:
  void read_all(pg::Connection& connection);
  /// Begins the transaction that the copy runs in.
  pg::Relation open_snapshot(pg::Connection& connection);
  /// Finds out where the copy resumes, and what its own position is to say. False if the bookmark has a
  /// position that cannot be used: it is gone from there, and another snapshot is needed.
  bool find_start(pg::Connection& connection, const pg::Relation& relation, const RowProjection& shape);
  /// Takes an interrupted copy that cannot be resumed out of the bookmark.
  void forget_copy();
  /// The columns of the table that are read, see CopyPosition.
  static std::map<std::string, int> columns_read(const pg::Relation& relation, const RowProjection& shape);
  void begin(const RowProjection& shape, bool resumes);
  void read_partition(pg::Connection& connection, const pg::Partition& partition,
                      const pg::Relation& relation, const RowProjection& shape,
                      const singer::RecordFrame& frame);
  void read_rows(pg::Connection& connection, const std::string& query, const pg::Partition* partition,
                 const RowProjection& shape, const singer::RecordFrame& frame);
  void note_position();

  const StreamPlan& plan_;
  const config::Config& config_;
  StreamOutput& output_;
  std::function<InitialSnapshot(pg::Connection&)> initial_snapshot_;

  std::string time_extracted_;
  std::optional<Lsn> lsn_;             ///< where the log takes over
  std::optional<Lsn> reached_before_;  ///< what the snapshot has replayed at least, on a standby
  std::optional<CopyPosition> from_;   ///< where this attempt goes on
  std::string written_since_;          ///< condition of a copy that the Python tap began; empty without
  CopyPosition reached_;               ///< what this attempt has come to, once it is past from_
  bool past_ = false;                  ///< that it is
};

}  // namespace tap::sync
