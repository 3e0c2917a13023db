// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <thread>

#include <tap/base/signals.hpp>
#include <tap/pg/input_pacing.hpp>

namespace tap::pg {

namespace {

constexpr std::size_t kLongAnswer = std::size_t{256} << 10U;  // bytes; a small table is copied without pauses
// The buffer of a socket takes longer to fill, and what is left of it keeps the server from waiting.
constexpr std::chrono::microseconds kPause{200};

bool is_readable(int socket) {
  return signals::wait_until_ready(socket, signals::Readiness::readable, std::chrono::milliseconds{0});
}

}  // namespace

void InputPacing::pause(int socket) {
  if (received_ < kLongAnswer || is_readable(socket)) {
    return;
  }
  std::this_thread::sleep_for(kPause);
  if (!is_readable(socket)) {
    received_ = 0;
  }
}

}  // namespace tap::pg
