// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <tap/base/json.hpp>
#include <tap/pgtypes/lsn.hpp>
#include <tap/pgtypes/type_row.hpp>
#include <tap/singer/state.hpp>
#include <tap/sync/plan.hpp>

namespace tap::sync {

/// Where a stream's log goes on: a transaction whose commit ends at or below it has been sent. Nothing before
/// the stream's first copy is done.
std::optional<Lsn> bookmark_lsn(const Json& bookmark);

/// The table that the position is of: another one may have its name by now.
std::optional<Oid> followed_table(const Json& bookmark);

/// From where on the log must be kept for the stream: its position, or that of a copy which is not done.
std::optional<Lsn> needed_from(const Json& bookmark);

/// How far the target has what the tap has sent, over a database's log-based streams: the least of what the
/// state that the run was given says, and no more. The server frees the log up to there, for good.
class FlushTracker {
 public:
  /// `state_file` is read again now and then while the run goes on, in case somebody keeps it up to date.
  FlushTracker(const std::vector<const StreamPlan*>& streams, const singer::State& given,
               std::optional<std::string> state_file);

  /// A stream that the state does not know yet needs the log from here on.
  void hold(const std::string& stream, Lsn from);
  /// What may be acknowledged now; nothing without a state. What the file says beyond `sent`, up to where the
  /// run has written, is not of this run and does not count.
  std::optional<Lsn> flushed(Lsn sent);

 private:
  using Clock = std::chrono::steady_clock;

  void read_again(Lsn sent);

  std::optional<std::string> state_file_;
  std::map<std::string, std::optional<Lsn>> kept_;  ///< by stream: what the given state says
  std::map<std::string, Lsn> held_;
  Clock::time_point last_read_ = Clock::now();
};

}  // namespace tap::sync
