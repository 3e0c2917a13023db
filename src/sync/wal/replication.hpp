// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <tap/config/config.hpp>
#include <tap/singer/state.hpp>
#include <tap/singer/writer.hpp>
#include <tap/sync/plan.hpp>

#include "flush_tracker.hpp"
#include "initial_snapshot.hpp"
#include "reader.hpp"
#include "sync/progress.hpp"
#include "sync/retrying_connection.hpp"

namespace tap::sync {

/// The log-based streams of a run, by database.
class WalReplication {
 public:
  /// `state` is as it was given, once the plan is made; `state_file` is where it came from.
  WalReplication(const config::Config& config, const std::vector<StreamPlan>& streams, singer::State& state,
                 const std::optional<std::string>& state_file);

  /// Checks that each database's log can be read from where its streams are. Throws Error
  /// (log_based_unprepared) with the remedy: before anything is written, and before a first copy whose
  /// changes would not be kept.
  void prepare(RetryingConnection& database);

  /// True if the stream's initial snapshot is complete: follow() reads its changes.
  [[nodiscard]] bool follows(const StreamPlan& stream) const;
  /// Where the log takes over from the first copy of a stream, which is about to be made by `connection`.
  [[nodiscard]] InitialSnapshot start_of_copy(const StreamPlan& stream, pg::Connection& connection);
  /// Call after each stream's copy, complete or not: WAL is needed from where the copy began. If the run
  /// follows WAL without end, follow() reads the stream's changes once the copy is complete.
  void note_copy(const StreamPlan& stream, bool is_complete);

  /// Reads WAL for the streams whose initial snapshot was complete when the run began, or is complete now if
  /// the run follows WAL without end. Returns those that failed.
  std::vector<std::string> follow(RetryingConnection& database, singer::Writer& writer, Totals& totals);

 private:
  struct Group {
    std::vector<const StreamPlan*> streams;    ///< all of them
    std::vector<const StreamPlan*> to_follow;  ///< whose initial snapshot is complete
    std::set<const StreamPlan*> copied;        ///< in this run, of these
    WalSource source;
    Lsn kept_from;  ///< where the slot's log begins
    std::optional<FlushTracker> flush_tracker;
  };

  void prepare_group(pg::Connection& connection, Group& group);

  const config::Config& config_;
  singer::State& state_;
  bool no_snapshot_ = false;             ///< could be had for the last copy
  std::map<std::string, Group> groups_;  ///< by database
};

}  // namespace tap::sync
