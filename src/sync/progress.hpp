// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace tap::sync {

/// Reports the progress of a copy or of a WAL reader to the log: a line every ten seconds, or one line that
/// is updated in place if stderr is a terminal.
class Progress {
 public:
  using Clock = std::chrono::steady_clock;

  /// `subject` begins each line: a stream's id, or a database.
  explicit Progress(std::string subject) : subject_(std::move(subject)) {}

  /// Writes a line if one is due. `rest` returns what remains to be done, or ""; it is called only then.
  template <class Rest>
  void report_if_due(Clock::time_point now, std::uint64_t rows, Rest rest) {
    if (now >= next_report_) {
      report(now, rows, rest());
    }
  }

  [[nodiscard]] std::chrono::duration<double> elapsed() const { return Clock::now() - started_; }

 private:
  static std::chrono::milliseconds interval();

  void report(Clock::time_point now, std::uint64_t rows, const std::string& rest);

  std::string subject_;
  Clock::time_point started_ = Clock::now();
  Clock::time_point last_report_ = started_;
  Clock::time_point next_report_ = started_ + interval();
  std::uint64_t reported_rows_ = 0;
};

/// `45 s`, `12 min`, `3.5 h` or `2.0 days`.
std::string readable_time(std::chrono::duration<double> time);
/// The readable time that `left` takes at the speed at which `done` took `elapsed`; empty if nothing is done.
std::string time_left(double done, double left, std::chrono::duration<double> elapsed);
/// `12.3 MB`, in powers of 1000.
std::string readable_size(std::uint64_t bytes);

/// Logs the Singer METRIC line with the number of records since the last such line.
void log_record_count(const std::string& stream, std::uint64_t count);
/// Logs the METRIC lines at the end of a stream: records since the last line, total bytes, and the duration.
void log_metrics(const std::string& stream, std::uint64_t count, std::uint64_t bytes,
                 std::chrono::duration<double> took, bool succeeded);

}  // namespace tap::sync
