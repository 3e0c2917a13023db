// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include <tap/pg/catalog/relation.hpp>
#include <tap/pg/connection.hpp>
#include <tap/pgtypes/lsn.hpp>
#include <tap/sync/plan.hpp>

#include "snapshot_origin.hpp"
#include "sync/initial_snapshot.hpp"

namespace tap::sync {

/// The transactions in which a run copies its tables. Each is read-only, with the pinned settings and one
/// snapshot, and the locks on its tables agree with the snapshot. Looking a table up and beginning a
/// transaction takes longer than copying a small table. So small tables that follow one another share a
/// transaction, for about a second, and are looked up together.
class TableTransactions {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::size_t kFirstBatch = 8;

  /// `streams` are those that open() will be called for, in this order; some may be left out. They must
  /// outlive this object. `batch_size` is the number of tables to look up first.
  explicit TableTransactions(std::vector<const StreamPlan*> streams, std::size_t batch_size = kFirstBatch);

  /// Opens the stream's table: it and its partitions stay as returned until finish(). Waits for concurrent
  /// DDL, then takes a new snapshot, since the old one shows no rows of a rewritten table. `open_snapshot` is
  /// empty, or opens the snapshot of an initial copy. `is_alone` requests a transaction that begins now.
  /// Throws StreamError if the table is missing or keeps changing; ServerError; TransientError; after each
  /// the connection must not be used any more.
  pg::Relation open(pg::Connection& connection, const StreamPlan& stream,
                    const OpenInitialSnapshot& open_snapshot = {}, bool is_alone = false);
  /// The stream's rows have been read: ends the transaction, unless the next stream's table may be read in
  /// it, too.
  void finish(pg::Connection& connection);
  /// Ends the transaction so that the table can be opened again.
  void roll_back(pg::Connection& connection);

  // Of the current transaction:

  /// Runs `SET LOCAL` statements, unless they were the last ones.
  void configure(pg::Connection& connection, const std::string& settings);
  /// The origin of its snapshot.
  const SnapshotOrigin& origin(pg::Connection& connection);
  /// Where WAL is followed from after an initial copy; nothing without `open_snapshot`.
  [[nodiscard]] const std::optional<FollowFrom>& follow_from() const { return follow_from_; }

 private:
  /// Begins a transaction and looks up the stream's table, and those of streams that may follow. Nothing if
  /// the snapshot of an initial copy cannot be used, and a newer one is needed. `unusable` is the name of the
  /// last such snapshot, empty at first, and becomes that of this one.
  std::optional<pg::Relation> begin(pg::Connection& connection, const StreamPlan& stream,
                                    const OpenInitialSnapshot& open_snapshot, std::string& unusable);
  /// Opens a table that was looked up with an earlier one. Nothing if it needs another transaction.
  std::optional<pg::Relation> open_in_current(pg::Connection& connection, const StreamPlan& stream,
                                              bool has_snapshot);
  [[nodiscard]] std::vector<const StreamPlan*> streams_to_look_up(const StreamPlan& stream) const;
  void note_opened(const StreamPlan& stream, const pg::Relation& relation);
  void forget();

  std::vector<const StreamPlan*> streams_;
  std::unordered_map<const StreamPlan*, std::size_t> positions_;  ///< in `streams_`
  std::size_t batch_size_;                                        ///< how many tables to look up together

  // Of the current transaction:
  bool is_open_ = false;
  bool has_snapshot_ = false;  ///< of an initial copy
  Clock::time_point began_;
  std::size_t opened_ = 0;     ///< tables
  bool may_be_shared_ = true;  ///< the last table was small, and nothing could have changed the settings
  const StreamPlan* next_ = nullptr;  ///< the stream after the last one in `streams_`
  std::string settings_;
  std::unordered_map<const StreamPlan*, pg::Relation> looked_up_;
  std::optional<SnapshotOrigin> origin_;
  std::optional<FollowFrom> follow_from_;
};

}  // namespace tap::sync
