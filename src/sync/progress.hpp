// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace tap::sync {

/// What people and monitors are told of a piece of work while it goes on: a line every ten seconds, or one
/// that renews itself if stderr is a terminal.
class Progress {
 public:
  using Clock = std::chrono::steady_clock;

  /// `subject` is what is in work: a stream's id, a database's log.
  explicit Progress(std::string subject) : subject_(std::move(subject)) {}

  /// `rest` gives the words on how much is left, or ""; it is called when it is time for a line only.
  template <class Rest>
  void look(Clock::time_point now, std::uint64_t rows, Rest rest) {
    if (now >= next_) {
      tell(now, rows, rest());
    }
  }

  [[nodiscard]] std::chrono::duration<double> took() const { return Clock::now() - started_; }

 private:
  static std::chrono::milliseconds interval();

  void tell(Clock::time_point now, std::uint64_t rows, const std::string& rest);

  std::string subject_;
  Clock::time_point started_ = Clock::now();
  Clock::time_point last_ = started_;
  Clock::time_point next_ = started_ + interval();
  std::uint64_t told_ = 0;
};

/// What a run has done so far.
struct Totals {
  std::size_t streams = 0;
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
};

/// `12.3 MB`, for people.
std::string readable_size(std::uint64_t bytes);

/// The Singer METRIC line of how many records a stream has had since the last such line.
void log_record_count(const std::string& stream, std::uint64_t count);
/// The lines at a stream's end: records since the last line, bytes of all, how long it took.
void log_metrics(const std::string& stream, std::uint64_t count, std::uint64_t bytes,
                 std::chrono::duration<double> took, bool succeeded);

}  // namespace tap::sync
