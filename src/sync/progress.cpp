// SPDX-License-Identifier: Apache-2.0
#include "progress.hpp"

#include <array>

#include <tap/base/json.hpp>
#include <tap/base/log.hpp>

namespace tap::sync {

namespace {

using std::chrono::milliseconds;

// In the format of the Meltano SDK.
void log_metric(const char* type, const char* metric, const std::string& value, const std::string& stream,
                const char* more_tags = "") {
  log::info(R"({}{{"type":"{}","metric":"{}","value":{},"tags":{{"stream":{}{}}}}})", log::kMetric, type,
            metric, value, to_text(Json(stream)), more_tags);
}

}  // namespace

milliseconds Progress::interval() {
  constexpr milliseconds on_a_terminal{200};
  constexpr milliseconds in_a_log{10'000};
  return log::is_on_terminal() ? on_a_terminal : in_a_log;
}

void Progress::report(Clock::time_point now, std::uint64_t rows, const std::string& rest) {
  const std::chrono::duration<double> since = now - last_report_;
  const std::string line =
      fmt::format("{}: {} rows, {:.0f} rows/s{}{}", subject_, rows,
                  static_cast<double>(rows - reported_rows_) / since.count(), rest.empty() ? "" : ", ", rest);
  if (log::is_on_terminal()) {
    log::show_status(line);
  } else {
    log::info("{}", line);
  }
  reported_rows_ = rows;
  last_report_ = now;
  next_report_ = now + interval();
}

std::string readable_size(std::uint64_t bytes) {
  constexpr std::array units = {"bytes", "kB", "MB", "GB", "TB"};
  constexpr double step = 1000;
  auto size = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (size >= step && unit + 1 < units.size()) {
    size /= step;
    ++unit;
  }
  return fmt::format("{:.{}f} {}", size, unit == 0 ? 0 : 1, units.at(unit));
}

std::string readable_time(std::chrono::duration<double> time) {
  constexpr double minute = 60;
  constexpr double hour = 60 * minute;
  constexpr double day = 24 * hour;
  const double seconds = time.count();
  return seconds < 2 * minute ? fmt::format("{:.0f} s", seconds)
         : seconds < 2 * hour ? fmt::format("{:.0f} min", seconds / minute)
         : seconds < 2 * day  ? fmt::format("{:.1f} h", seconds / hour)
                              : fmt::format("{:.1f} days", seconds / day);
}

std::string time_left(double done, double left, std::chrono::duration<double> elapsed) {
  return done > 0 ? readable_time(elapsed * (left / done)) : "";
}

void log_record_count(const std::string& stream, std::uint64_t count) {
  log_metric("counter", "record_count", fmt::to_string(count), stream);
}

void log_metrics(const std::string& stream, std::uint64_t count, std::uint64_t bytes,
                 std::chrono::duration<double> took, bool succeeded) {
  log_record_count(stream, count);
  log_metric("counter", "record_size", fmt::to_string(bytes), stream);
  log_metric("timer", "sync_duration", fmt::format("{:.3f}", took.count()), stream,
             succeeded ? R"(,"status":"succeeded")" : R"(,"status":"failed")");
}

}  // namespace tap::sync
