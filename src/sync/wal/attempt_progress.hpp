// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <utility>
#include <vector>

#include <tap/sync/slots/selection.hpp>

namespace tap::sync {

/// Tells whether a failed attempt to read WAL made progress: `max_retries` counts attempts that did not.
class AttemptProgress {
 public:
  using Clock = std::chrono::steady_clock;
  /// An attempt that waited longer than this at the end of WAL counts as progress, even though no position
  /// advanced.
  static constexpr std::chrono::minutes kQuietTime{10};

  /// `positions` are those of the bookmarks before the first attempt.
  explicit AttemptProgress(std::vector<StreamPosition> positions) : last_(std::move(positions)) {}

  /// An attempt begins; `records` is how many the run has written.
  void begin_attempt(Clock::time_point now, std::uint64_t records);

  /// An attempt has failed. True if a position has advanced since the last failure, or if the attempt waited
  /// at the end of WAL for kQuietTime and wrote nothing. `has_caught_up` is true if it had reached that end:
  /// a long attempt that had not does not count, since the server may decode the same large transaction again
  /// and again.
  bool has_advanced(Clock::time_point now, std::uint64_t records, bool has_caught_up,
                    std::vector<StreamPosition> positions);

 private:
  std::vector<StreamPosition> last_;
  Clock::time_point began_;
  std::uint64_t records_at_begin_ = 0;
};

}  // namespace tap::sync
