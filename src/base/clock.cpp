// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <ctime>

#include <spdlog/fmt/fmt.h>

#include <tap/base/clock.hpp>

namespace tap {

using std::chrono::duration_cast;
using std::chrono::system_clock;

std::int64_t epoch_milliseconds() {
  return duration_cast<std::chrono::milliseconds>(system_clock::now().time_since_epoch()).count();
}

std::string utc_now() {
  const auto micros =
      duration_cast<std::chrono::microseconds>(system_clock::now().time_since_epoch()).count();
  const std::time_t seconds = micros / 1'000'000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", utc.tm_year + 1900, utc.tm_mon + 1,
                     utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, micros % 1'000'000);
}

}  // namespace tap
