// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <thread>
#include <utility>

#include <tap/base/signals.hpp>
#include <tap/pg/input_pacing.hpp>

namespace tap::pg {

namespace {

constexpr std::size_t kKiB = 1024;
constexpr std::size_t kLongAnswer = 256 * kKiB;  // a small table is copied without pauses
// What should come during a pause. The buffer of a socket has about 200 KiB: once it is full, the server
// waits.
constexpr std::size_t kLeast = 32 * kKiB;
constexpr std::size_t kMost = 96 * kKiB;

bool is_readable(int socket) {
  return signals::wait_until_ready(socket, signals::Readiness::readable, std::chrono::milliseconds{0});
}

}  // namespace

void InputPacing::pause(int socket) {
  if (received_ < kLongAnswer || is_readable(socket)) {
    return;
  }
  const std::size_t gathered = std::exchange(since_pause_, 0);
  if (gathered > kMost) {
    pause_ /= 2;
  } else if (gathered < kLeast) {
    pause_ = std::min(2 * pause_ + std::chrono::microseconds(1), kLongestPause);
  }
  std::this_thread::sleep_for(pause_);
  if (!is_readable(socket)) {
    received_ = 0;
  }
}

}  // namespace tap::pg
