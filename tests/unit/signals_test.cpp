// SPDX-License-Identifier: Apache-2.0
#include <thread>

#include <tap/base/signals.hpp>

#include "catch.hpp"

using namespace tap;
using namespace std::chrono_literals;

TEST_CASE("a flag ends the wait of another thread") {
  std::atomic<bool> stop{false};
  bool was_interrupted = false;
  std::thread thread([&] {
    const signals::StopFlag flag(stop);
    try {
      signals::sleep_for(1h);
    } catch (const Interrupted& interrupted) {
      was_interrupted = interrupted.signal() == 0;
    }
  });
  CHECK_FALSE(signals::is_stop_requested());
  stop = true;
  thread.join();
  CHECK(was_interrupted);
}

TEST_CASE("a wait with a flag ends at its time") {
  const std::atomic<bool> stop{false};
  const signals::StopFlag flag(stop);
  const auto start = std::chrono::steady_clock::now();
  signals::sleep_for(150ms);
  CHECK(std::chrono::steady_clock::now() - start >= 150ms);
}
