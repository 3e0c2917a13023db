// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include <tap/config/config.hpp>
#include <tap/singer/state.hpp>
#include <tap/singer/writer.hpp>

namespace tap::sync {

/// Writes the STATE messages of a run and decides when one is worth its size: a STATE contains the bookmarks
/// of all streams, so that one after each of thousands of small tables would be most of the output. The
/// bookmarks must cover only what has been written whenever a function here writes.
class StateWriter {
 public:
  using Clock = std::chrono::steady_clock;

  /// `state` and `writer` must outlive this object.
  StateWriter(const config::Config& config, singer::State& state, singer::Writer& writer,
              Clock::time_point now = Clock::now());

  [[nodiscard]] singer::State& state() { return state_; }

  /// RECORDs have been written.
  void note_records(std::uint64_t count = 1) { records_ += count; }
  /// True if state_every_rows RECORDs have been written since the last STATE.
  [[nodiscard]] bool is_due() const { return records_ >= every_records_; }
  /// After how many more RECORDs is_due() is true.
  [[nodiscard]] std::uint64_t records_until_due() const {
    return every_records_ - std::min(every_records_, records_);
  }
  /// True if state_every_seconds have passed since the last STATE.
  [[nodiscard]] bool is_time(Clock::time_point now) const { return now - last_state_ >= every_time_; }
  /// True if a STATE that is not due is small compared with the RECORDs, or with a megabyte.
  [[nodiscard]] bool is_cheap();

  /// Writes a STATE.
  void write(Clock::time_point now = Clock::now());
  /// Writes a STATE if it is due or cheap. Call it where a stream begins or ends.
  void write_if_worthwhile(Clock::time_point now = Clock::now());
  /// Writes a STATE if write_if_worthwhile() has not written the last one.
  void write_postponed(Clock::time_point now = Clock::now());

 private:
  std::uint64_t every_records_;
  std::chrono::duration<double> every_time_;
  singer::State& state_;
  singer::Writer& writer_;
  Clock::time_point last_state_;
  std::uint64_t records_ = 0;              ///< since the last STATE
  std::optional<std::size_t> state_size_;  ///< of the last STATE, or of the first one
  std::uint64_t state_bytes_ = 0;          ///< of all STATEs
  bool is_postponed_ = false;
};

}  // namespace tap::sync
