// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <tap/config/config.hpp>
#include <tap/singer/state.hpp>
#include <tap/singer/writer.hpp>
#include <tap/sync/plan.hpp>
#include <tap/sync/report.hpp>
#include <tap/sync/slots/publications.hpp>

#include "flush_tracker.hpp"
#include "initial_snapshot.hpp"
#include "reader.hpp"
#include "sync/progress.hpp"
#include "sync/retrying_connection.hpp"
#include "sync/slots/hidden_commits.hpp"
#include "sync/slots/open_transactions.hpp"
#include "sync/state_writer.hpp"

namespace tap::sync {

/// The log-based streams of a run, by database: checks the slots, says where initial snapshots begin, then
/// reads WAL, one database after the other.
class WalReplication {
 public:
  /// `state` is the given state after planning, and is kept up to date; it, `config` and `streams` must
  /// outlive this object. `state_file` is where the state came from, see FlushTracker.
  WalReplication(const config::Config& config, const std::vector<StreamPlan>& streams, singer::State& state,
                 const std::optional<std::string>& state_file);

  /// Checks that the WAL of each database can be read from the bookmarks on. Call it before anything is
  /// written, and before the initial snapshots, whose changes the slots keep. Logs why streams fail whose
  /// changes are not published, and notes it in `report`. Throws Error (log_based_unprepared) with the remedy
  /// if no stream can be read.
  void prepare(RetryingConnection& database, RunReport& report);

  /// The IDs of the streams that failed in prepare(): they are neither copied nor read from WAL, and their
  /// bookmarks stay.
  [[nodiscard]] const std::vector<std::string>& failed() const { return failed_; }
  [[nodiscard]] bool has_failed(const StreamPlan& stream) const;

  /// Limits the streams to the rows whose changes are published, after prepare(). `streams` are those given
  /// to the constructor.
  void add_row_filters(std::vector<StreamPlan>& streams) const;

  /// True if prepare(), even if it threw, found changes to be missing that no earlier run found to be, and
  /// changed the state: it must be written, or the next run does not notice if they are published again.
  [[nodiscard]] bool has_new_gaps() const { return has_new_gaps_; }

  /// True if the stream is log-based and its initial snapshot is complete: read_wal() reads its changes.
  [[nodiscard]] bool has_initial_snapshot(const StreamPlan& stream) const;
  /// The snapshot for the initial copy of a log-based stream, which `connection` is about to make, see
  /// OpenInitialSnapshot. Several threads may call it. Throws what SharedSnapshot::open() and
  /// standby_initial_snapshot() do.
  [[nodiscard]] InitialSnapshot open_initial_snapshot(const StreamPlan& stream, pg::Connection& connection,
                                                      const std::string& unusable);
  /// Call it after the copy of each stream, complete or not: a log-based stream needs WAL from where the copy
  /// began. In a run without an end LSN, read_wal() also reads the changes of a stream whose copy is
  /// complete.
  void note_copy(const StreamPlan& stream, bool is_complete);

  /// Reads WAL for the streams with a complete initial snapshot. Returns the IDs of those that failed. Adds
  /// to `report`, which has the streams.
  std::vector<std::string> read_wal(RetryingConnection& database, StateWriter& states, singer::Writer& writer,
                                    RunReport& report);

 private:
  /// The streams of one database.
  struct Group {
    std::vector<const StreamPlan*> streams;
    std::vector<PublicationFinding> errors;        ///< of streams that fail
    std::map<std::string, Json> records;           ///< for the bookmarks, see PublicationsToRead
    std::map<std::string, Condition> row_filters;  ///< see PublicationsToRead
    std::vector<const StreamPlan*> to_read;        ///< those with a complete initial snapshot
    std::size_t to_copy = 0;                       ///< how many are to be copied in this run
    SharedSnapshot snapshot;                       ///< for these
    WalSource source;
    /// A copy must contain all transactions that end before it: the slot does not send them any more, or not
    /// the changes made before their table was published.
    Lsn copies_start;
    bool may_lack_changes = false;  ///< some of the open transactions may have such changes
    std::optional<OpenTransactions> open_transactions;  ///< which these are, once they are waited for
    HiddenCommits hidden_commits;
    std::optional<FlushTracker> flush_tracker;
  };

  void prepare_group(pg::Connection& connection, Group& group);
  /// Sets `to_read` and `to_copy`, without the streams that fail.
  void divide(Group& group);
  /// The streams that are to be copied fail.
  void fail_copies(Group& group, const Problem& problem);
  /// Puts the records into the bookmarks.
  void record(const Group& group);
  void record_for_migration(pg::Connection& connection, Group& group);
  /// Makes sure that copies contain what pgoutput does not send of open transactions. `connection` is to the
  /// server whose WAL is read. Returns why the streams to copy fail, if these transactions do not end.
  std::optional<Problem> wait_for_unpublished_changes(pg::Connection& connection, Group& group) const;
  /// Returns the IDs of the streams that failed.
  std::vector<std::string> read_group(RetryingConnection& database, const Group& group,
                                      FlushTracker& flush_tracker, StateWriter& states,
                                      singer::Writer& writer, RunReport& report);

  const config::Config& config_;
  singer::State& state_;
  std::mutex snapshots_;  ///< guards `snapshot`, `open_transactions` and `copies_start` of groups in copies
  std::map<std::string, Group> groups_;  ///< by database
  std::vector<std::string> failed_;
  bool has_new_gaps_ = false;
};

}  // namespace tap::sync
