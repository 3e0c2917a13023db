// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <tap/pgtypes/lsn.hpp>
#include <tap/singer/state.hpp>
#include <tap/sync/plan.hpp>

namespace tap::sync {

/// The flush LSN of a database: how far the replication slot may be acknowledged. It is the minimum over the
/// database's log-based streams of the positions in the state that the run was given, because only that state
/// is known to have reached the target. The server removes acknowledged WAL for good.
class FlushTracker {
 public:
  using Clock = std::chrono::steady_clock;
  /// Time between two readings of the state file.
  static constexpr std::chrono::seconds kReadInterval{10};

  /// `given` is the state before the run changed it. If `state_file` is set, read_again() reads that file for
  /// newer positions, in case the orchestrator keeps it up to date.
  FlushTracker(const std::vector<const StreamPlan*>& streams, const singer::State& given,
               std::optional<std::string> state_file, Clock::time_point now = Clock::now());

  /// A stream without a position in the given state needs WAL from `lsn` on. The first call per stream
  /// counts.
  void hold(const std::string& stream, Lsn lsn);

  /// Reads the state file if kReadInterval has passed. Positions only advance, and one beyond `written`, the
  /// end of what this run has written, is ignored: it belongs to another run. A file that cannot be read
  /// changes nothing.
  void read_again(Clock::time_point now, Lsn written);

  /// The LSN to acknowledge; nothing while no stream has a position in the given state.
  [[nodiscard]] std::optional<Lsn> flush_lsn() const;

 private:
  std::optional<std::string> state_file_;
  std::map<std::string, std::optional<Lsn>> given_lsns_;  ///< by stream, from the state
  std::map<std::string, Lsn> held_lsns_;                  ///< by stream
  Clock::time_point last_read_;
};

}  // namespace tap::sync
