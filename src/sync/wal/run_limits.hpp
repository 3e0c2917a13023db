// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>

#include <tap/config/config.hpp>
#include <tap/pgtypes/lsn.hpp>

namespace tap::sync {

/// When a run that reads WAL ends: at an LSN, after a time, or after a time without messages.
class RunLimits {
 public:
  using Clock = std::chrono::steady_clock;

  /// `end` is where WAL ended when the run began. It is a limit if the settings stop there.
  RunLimits(const config::LogSettings& settings, Lsn end, Clock::time_point now)
      : end_lsn_(settings.stop_at_end ? std::optional(end) : std::nullopt),
        max_run_(settings.max_run.value_or(kForever)),
        max_idle_(settings.max_idle.value_or(kForever)),
        started_(now),
        last_message_(now) {}

  [[nodiscard]] bool has_end_lsn() const { return end_lsn_.has_value(); }
  /// True if a transaction belongs to this run; `commit_end` is where its commit record ends. Later ones are
  /// left to the next run.
  [[nodiscard]] bool includes(Lsn commit_end) const { return !end_lsn_ || commit_end <= *end_lsn_; }
  /// The end LSN itself must not become a bookmark: servers flush whole pages, so that a commit record may
  /// lie across it.
  [[nodiscard]] bool is_end_reached(Lsn received) const { return end_lsn_ && received >= *end_lsn_; }
  /// Bytes of WAL from `received` to the end LSN; nothing in a run without one.
  [[nodiscard]] std::optional<std::uint64_t> bytes_left(Lsn received) const {
    if (!end_lsn_) {
      return std::nullopt;
    }
    return received < *end_lsn_ ? end_lsn_->value - received.value : 0;
  }

  /// Messages have arrived since the last call.
  void note_messages(Clock::time_point now) { last_message_ = now; }
  [[nodiscard]] bool is_out_of_time(Clock::time_point now) const {
    return now - started_ >= max_run_ || now - last_message_ >= max_idle_;
  }

 private:
  using Seconds = std::chrono::duration<double>;
  static constexpr Seconds kForever{std::numeric_limits<double>::infinity()};

  std::optional<Lsn> end_lsn_;
  Seconds max_run_;
  Seconds max_idle_;
  Clock::time_point started_;
  Clock::time_point last_message_;
};

}  // namespace tap::sync
