// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

#include <tap/pgtypes/lsn.hpp>

namespace tap::sync {

/// When a run that reads WAL may reconnect to give back the memory of large messages. After each reconnection
/// the server reads WAL again from the slot's position, so that the next one waits until the run is past the
/// place of the last one, and until a tenth of the time at most goes into them.
class MemoryReconnections {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::minutes kLeastInterval{10};

  void note_reconnection(Clock::time_point now, Lsn reached) {
    last_ = now;
    from_ = reached;
    reopening_.reset();
  }

  /// The server has sent everything up to here; `from_` is where the last reconnection began.
  void note_sent(Clock::time_point now, Lsn sent) {
    if (last_ && !reopening_ && sent >= from_) {
      reopening_ = now - *last_;
    }
  }

  [[nodiscard]] bool any() const { return last_.has_value(); }

  /// True if one more is allowed; `reached` is the end of the last transaction that was written.
  [[nodiscard]] bool is_allowed(Clock::time_point now, Lsn reached) const {
    constexpr int share = 10;
    return !last_ || (reopening_ && reached > from_ &&
                      now - *last_ >= std::max<Clock::duration>(kLeastInterval, share * *reopening_));
  }

 private:
  std::optional<Clock::time_point> last_;
  std::optional<Clock::duration> reopening_;
  Lsn from_;
};

}  // namespace tap::sync
