// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <thread>

#include <unistd.h>

#include <tap/base/signals.hpp>

#include "catch.hpp"

using namespace tap;
using namespace std::chrono_literals;
using signals::Readiness;

namespace {

class Pipe {
 public:
  Pipe() { REQUIRE(pipe(ends_.data()) == 0); }
  ~Pipe() {
    close(ends_[0]);
    close(ends_[1]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  [[nodiscard]] int output() const { return ends_[0]; }
  void make_readable() const { REQUIRE(write(ends_[1], "x", 1) == 1); }

 private:
  std::array<int, 2> ends_{};
};

}  // namespace

TEST_CASE("a flag ends a wait without limit in another thread") {
  const Pipe pipe;
  std::atomic<bool> stop{false};
  int signal = -1;
  std::thread thread([&] {
    const signals::StopFlag flag(stop);
    try {
      signals::wait_until_ready(pipe.output(), Readiness::readable, -1ms);
    } catch (const Interrupted& interrupted) {
      signal = interrupted.signal();
    }
  });
  CHECK_FALSE(signals::is_stop_requested());  // of this thread
  stop = true;
  thread.join();
  CHECK(signal == 0);
}

TEST_CASE("a wait with a flag ends when the file is ready, or at its limit") {
  const Pipe pipe;
  const std::atomic<bool> stop{false};
  const signals::StopFlag flag(stop);
  CHECK_FALSE(signals::wait_until_ready(pipe.output(), Readiness::readable, 150ms));
  pipe.make_readable();
  CHECK(signals::wait_until_ready(pipe.output(), Readiness::readable, -1ms));
}
