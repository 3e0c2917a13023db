// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <stdexcept>

namespace tap {

/// A signal asked the run to stop. Not an Error: nothing is wrong, and nobody but main may take it for good.
class Interrupted : public std::runtime_error {
 public:
  explicit Interrupted(int signal);

  [[nodiscard]] int signal() const noexcept { return signal_; }

 private:
  int signal_;
};

namespace signals {

/// From now on SIGTERM and SIGINT ask the run to stop at the next row, so that it can write its STATE. A run
/// that has not ended some seconds later (its target reads no more) is ended as it stands.
void listen();

/// From now on SIGTERM and SIGINT end the process at once: for work of which nothing is kept when it is
/// cut off.
void end_at_once();

/// True once a signal has asked.
bool requested();

/// Throws Interrupted once a signal has asked.
void check();

/// Waits until `file` can be read (or written), for at most `timeout`; negative: for ever. False: it cannot
/// yet. Throws Interrupted when a signal asks.
enum class For { reading, writing };
bool wait(int file, For what, std::chrono::milliseconds timeout);
/// Waits for nothing but a signal.
void sleep(std::chrono::milliseconds time);

/// A process group that a signal which ends this process at once kills first (SIGKILL). Waits that throw
/// Interrupted leave it to their caller.
class ChildGroupGuard {
 public:
  explicit ChildGroupGuard(int group);
  ~ChildGroupGuard();
  ChildGroupGuard(const ChildGroupGuard&) = delete;
  ChildGroupGuard& operator=(const ChildGroupGuard&) = delete;
  ChildGroupGuard(ChildGroupGuard&&) = delete;
  ChildGroupGuard& operator=(ChildGroupGuard&&) = delete;

 private:
  int group_;
};

}  // namespace signals

}  // namespace tap
