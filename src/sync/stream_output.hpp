// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <tap/config/config.hpp>
#include <tap/singer/state.hpp>
#include <tap/singer/writer.hpp>
#include <tap/sync/plan.hpp>

namespace tap::sync {

/// What one stream's copy writes: its messages, with STATEs between them by time and rows.
class StreamOutput {
 public:
  StreamOutput(const StreamPlan& plan, const config::Config& config, singer::State& state,
               singer::Writer& writer)
      : plan_(plan), config_(config), state_(state), writer_(writer) {}

  /// The stream's bookmark, as the next STATE will have it. Good until a message is written.
  Json& bookmark() { return state_.bookmark(plan_.stream.id); }

  /// SCHEMA with the properties of `columns`, and a STATE that names this stream as the one in work.
  void begin(const std::vector<std::string>& columns, const std::vector<std::string>& bookmark_properties);
  void activate_version(std::int64_t version) { writer_.activate_version(plan_.name, version); }

  /// A RECORD, see singer::Writer. True if a STATE is due after it: the caller brings the bookmark up to
  /// date.
  template <class Fill>
  bool record(const singer::RecordFrame& frame, Fill fill) {
    size_since_look_ += writer_.record(frame, fill);
    ++rows_;
    ++rows_since_state_;
    return rows_since_state_ >= config_.state_every_rows || is_time();
  }
  void write_state();
  /// The last STATE: no stream is in work.
  void end();

  [[nodiscard]] std::uint64_t rows() const { return rows_; }

 private:
  using Clock = std::chrono::steady_clock;

  /// Looks at the clock, which takes a while, about once for each piece that the server sends: 8 KiB.
  bool is_time() {
    constexpr std::size_t between_looks = 8192;
    if (size_since_look_ < between_looks) {
      return false;
    }
    size_since_look_ = 0;
    return Clock::now() - last_state_ >= config_.state_every_time;
  }

  const StreamPlan& plan_;
  const config::Config& config_;
  singer::State& state_;
  singer::Writer& writer_;
  std::uint64_t rows_ = 0;
  std::uint64_t rows_since_state_ = 0;
  std::size_t size_since_look_ = 0;
  Clock::time_point last_state_;
};

}  // namespace tap::sync
