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

#include "progress.hpp"

namespace tap::sync {

/// Writes the messages of one stream's copy, with STATEs at the intervals of the config. The constructor's
/// arguments must outlive it.
class StreamOutput {
 public:
  StreamOutput(const StreamPlan& plan, const config::Config& config, singer::State& state,
               singer::Writer& writer)
      : plan_(plan), config_(config), state_(state), writer_(writer), progress_(plan.stream.id) {}

  /// The stream's bookmark for the next STATE. Valid until a message is written.
  Json& bookmark() { return state_.bookmark(plan_.stream.id); }

  /// Runs one attempt of the copy. If `copy` throws, calls `save` to update the bookmark and writes a STATE,
  /// so that the target need not wait for the next attempt or run. Writes nothing after OutputError.
  template <class Copy, class Save>
  void attempt(Copy copy, Save save) {
    try {
      copy();
    } catch (const singer::OutputError&) {
      throw;
    } catch (...) {
      save();
      if (begun_) {
        write_state();
      }
      throw;
    }
  }

  /// Writes SCHEMA, with the properties of `columns`, and a STATE with this stream as currently_syncing.
  void begin(const std::vector<std::string>& columns, const std::vector<std::string>& bookmark_properties);
  /// True after begin().
  [[nodiscard]] bool has_begun() const { return begun_; }
  void activate_version(std::int64_t version) { writer_.activate_version(plan_.name, version); }

  /// Writes a RECORD, see singer::Writer. True if a STATE is due: update the bookmark and call write_state().
  template <class Fill>
  bool record(const singer::RecordFrame& frame, Fill fill) {
    const std::size_t size = writer_.record(frame, fill);
    bytes_since_check_ += size;
    bytes_ += size;
    ++rows_;
    ++rows_since_state_;
    return rows_since_state_ >= config_.state_every_rows || is_time();
  }
  void write_state();
  /// Writes the last STATE, without currently_syncing.
  void end();

  /// Sets the expected number of rows, for the progress line; 0 if it is unknown.
  void expect(std::uint64_t rows) { expected_ = rows; }
  /// Logs the metrics and a summary, unless begin() has not been called.
  void report_end(bool succeeded) const;

  [[nodiscard]] std::uint64_t rows() const { return rows_; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

 private:
  using Clock = Progress::Clock;

  /// Reading the clock takes time, so this does it once per 8 KiB of output.
  bool is_time() {
    constexpr std::size_t interval_bytes = 8192;
    if (bytes_since_check_ < interval_bytes) {
      return false;
    }
    bytes_since_check_ = 0;
    const auto now = Clock::now();
    progress_.report_if_due(now, rows_, [&] { return rest(); });
    report_metrics(now);
    return now - last_state_ >= config_.state_every_time;
  }
  [[nodiscard]] std::string rest() const;
  void report_metrics(Clock::time_point now);

  const StreamPlan& plan_;
  const config::Config& config_;
  singer::State& state_;
  singer::Writer& writer_;
  Progress progress_;
  bool begun_ = false;
  std::uint64_t rows_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t expected_ = 0;
  std::uint64_t reported_rows_ = 0;  ///< in METRIC lines
  Clock::time_point last_metric_ = Clock::now();
  std::uint64_t rows_since_state_ = 0;
  std::size_t bytes_since_check_ = 0;
  Clock::time_point last_state_;
};

}  // namespace tap::sync
