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

/// What one stream's copy writes: its messages, with STATEs between them by time and rows.
class StreamOutput {
 public:
  StreamOutput(const StreamPlan& plan, const config::Config& config, singer::State& state,
               singer::Writer& writer)
      : plan_(plan), config_(config), state_(state), writer_(writer), progress_(plan.stream.id) {}

  /// The stream's bookmark, as the next STATE will have it. Good until a message is written.
  Json& bookmark() { return state_.bookmark(plan_.stream.id); }

  /// An attempt to `read` all. If it throws, `note` brings the bookmark up to date and a last STATE is
  /// written, so that the target need not wait for the next attempt, or the next run; but not to an output
  /// that failed.
  template <class Read, class Note>
  void attempt(Read read, Note note) {
    try {
      read();
    } catch (const singer::OutputError&) {
      throw;
    } catch (...) {
      note();
      if (begun_) {
        write_state();
      }
      throw;
    }
  }

  /// SCHEMA with the properties of `columns`, and a STATE that names this stream as the one in work.
  void begin(const std::vector<std::string>& columns, const std::vector<std::string>& bookmark_properties);
  /// True once it has.
  [[nodiscard]] bool has_begun() const { return begun_; }
  void activate_version(std::int64_t version) { writer_.activate_version(plan_.name, version); }

  /// A RECORD, see singer::Writer. True if a STATE is due after it: the caller brings the bookmark up to
  /// date.
  template <class Fill>
  bool record(const singer::RecordFrame& frame, Fill fill) {
    const std::size_t size = writer_.record(frame, fill);
    size_since_look_ += size;
    bytes_ += size;
    ++rows_;
    ++rows_since_state_;
    return rows_since_state_ >= config_.state_every_rows || is_time();
  }
  void write_state();
  /// The last STATE: no stream is in work.
  void end();

  /// How many rows there will be, about; 0 if nobody knows.
  void expect(std::uint64_t rows) { expected_ = rows; }
  /// Says what was done, to people and monitors.
  void report_end(bool succeeded) const;

  [[nodiscard]] std::uint64_t rows() const { return rows_; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

 private:
  using Clock = Progress::Clock;

  /// Looks at the clock, which takes a while, about once for each piece that the server sends: 8 KiB.
  bool is_time() {
    constexpr std::size_t between_looks = 8192;
    if (size_since_look_ < between_looks) {
      return false;
    }
    size_since_look_ = 0;
    const auto now = Clock::now();
    progress_.look(now, rows_, [&] { return rest(); });
    tell_metrics(now);
    return now - last_state_ >= config_.state_every_time;
  }
  [[nodiscard]] std::string rest() const;
  void tell_metrics(Clock::time_point now);

  const StreamPlan& plan_;
  const config::Config& config_;
  singer::State& state_;
  singer::Writer& writer_;
  Progress progress_;
  bool begun_ = false;
  std::uint64_t rows_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t expected_ = 0;
  std::uint64_t counted_ = 0;  ///< rows of the METRIC lines so far
  Clock::time_point last_metric_ = Clock::now();
  std::uint64_t rows_since_state_ = 0;
  std::size_t size_since_look_ = 0;
  Clock::time_point last_state_;
};

}  // namespace tap::sync
