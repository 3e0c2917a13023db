// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>

namespace tap::sync {

/// When the next STATE is due: after a number of records, after a time, or on request.
class StateSchedule {
 public:
  using Clock = std::chrono::steady_clock;

  StateSchedule(std::uint64_t every_records, std::chrono::duration<double> every_time, Clock::time_point now)
      : every_records_(every_records), every_time_(every_time), last_state_(now) {}

  /// A STATE is due at the next opportunity.
  void request() { is_requested_ = true; }
  /// `records` is how many the run has written.
  [[nodiscard]] bool is_due(std::uint64_t records) const {
    return is_requested_ || records - records_at_state_ >= every_records_;
  }
  [[nodiscard]] bool is_time(Clock::time_point now) const { return now - last_state_ >= every_time_; }

  void note_state(Clock::time_point now, std::uint64_t records) {
    last_state_ = now;
    records_at_state_ = records;
    is_requested_ = false;
  }

 private:
  std::uint64_t every_records_;
  std::chrono::duration<double> every_time_;
  Clock::time_point last_state_;
  std::uint64_t records_at_state_ = 0;
  bool is_requested_ = false;
};

}  // namespace tap::sync
