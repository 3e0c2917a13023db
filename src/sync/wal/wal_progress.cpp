// SPDX-License-Identifier: Apache-2.0
#include "wal_progress.hpp"

#include <algorithm>
#include <ctime>

#include <spdlog/fmt/fmt.h>

#include "sync/progress.hpp"

namespace tap::sync {

std::string to_text(const WalProgress& progress) {
  if (progress.left_bytes == 0) {
    return "";
  }
  std::string text = fmt::format("{} of WAL read, {} left", readable_size(progress.read_bytes),
                                 readable_size(progress.left_bytes));
  if (const std::string time = time_left(static_cast<double>(progress.read_bytes),
                                         static_cast<double>(progress.left_bytes), progress.elapsed);
      !time.empty()) {
    text += fmt::format(", about {}", time);
  }
  text += fmt::format("; bookmark {}", readable_size(progress.behind_bytes));
  if (progress.behind_time) {
    text += fmt::format(" and {}", readable_time(*progress.behind_time));
  }
  return text + " behind";
}

std::optional<std::chrono::seconds> age_of(std::string_view commit_time, std::int64_t server_clock) {
  constexpr std::int64_t per_second = 1'000'000;
  constexpr std::int64_t start_of_2000 = 946'684'800;  // in seconds since 1970
  std::tm time{};
  const std::string text(commit_time);
  if (::strptime(text.c_str(), "%Y-%m-%d %H:%M:%S", &time) == nullptr || !text.ends_with("+00")) {
    return std::nullopt;
  }
  const std::int64_t committed = ::timegm(&time) - start_of_2000;
  return std::chrono::seconds(std::max<std::int64_t>(server_clock / per_second - committed, 0));
}

}  // namespace tap::sync
