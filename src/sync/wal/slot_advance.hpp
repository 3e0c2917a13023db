// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <utility>
#include <vector>

#include <tap/sync/slots/selection.hpp>

namespace tap::sync {

/// Whether reading WAL advances from attempt to attempt: `max_retries` counts attempts without an advance.
/// Where nothing is written there is nothing to advance to, so that a long time at the end of WAL counts,
/// too.
class LogAdvance {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::minutes kQuietTime{10};

  explicit LogAdvance(std::vector<StreamPosition> positions) : last_(std::move(positions)) {}

  /// `records`: how many the run has written.
  void begin_attempt(Clock::time_point now, std::uint64_t records) {
    began_ = now;
    records_ = records;
  }

  /// Call when an attempt has failed. `was_at_end`: it had come to the end of WAL and waited for more. A long
  /// attempt that had not is no advance: the server may decode the same large transaction each time.
  bool has_advanced(Clock::time_point now, std::uint64_t records, bool was_at_end,
                    std::vector<StreamPosition> positions) {
    const bool was_quiet = was_at_end && now - began_ > kQuietTime && records == records_;
    began_ = now;
    const bool has_moved =
        !std::ranges::equal(last_, positions, {}, &StreamPosition::lsn, &StreamPosition::lsn);
    last_ = std::move(positions);
    return has_moved || was_quiet;
  }

 private:
  std::vector<StreamPosition> last_;
  Clock::time_point began_;
  std::uint64_t records_ = 0;
};

}  // namespace tap::sync
