// SPDX-License-Identifier: Apache-2.0
#include "attempt_progress.hpp"

#include <algorithm>

namespace tap::sync {

void AttemptProgress::begin_attempt(Clock::time_point now, std::uint64_t records) {
  began_ = now;
  records_at_begin_ = records;
}

bool AttemptProgress::has_advanced(Clock::time_point now, std::uint64_t records, bool has_caught_up,
                                   std::vector<StreamPosition> positions) {
  const bool was_quiet = has_caught_up && now - began_ > kQuietTime && records == records_at_begin_;
  began_ = now;
  const bool has_moved =
      !std::ranges::equal(last_, positions, {}, &StreamPosition::lsn, &StreamPosition::lsn);
  last_ = std::move(positions);
  return has_moved || was_quiet;
}

}  // namespace tap::sync
