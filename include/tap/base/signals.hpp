// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <csignal>
#include <optional>
#include <stdexcept>

namespace tap {

/// SIGTERM or SIGINT asked the program to stop, or another thread asked this one (signals::StopFlag). Not an
/// Error, because nothing failed: only main(), and a thread that was asked, handle it.
class Interrupted : public std::runtime_error {
 public:
  explicit Interrupted(int signal);

  /// 0: another thread has asked.
  [[nodiscard]] int signal() const noexcept { return signal_; }

 private:
  int signal_;
};

namespace signals {

/// Makes SIGTERM and SIGINT request a stop: the functions below throw at the next row or wait, so that a run
/// can write its last STATE. Three seconds later the grace period is over: blocked writes end. If the process
/// still runs one second after that, it exits at once.
void install_handlers();

/// Makes SIGTERM and SIGINT end the process at once, with one line on stderr: for work that leaves nothing to
/// clean up. Throws Interrupted if a stop was requested before.
void exit_on_signal();

/// True once a signal has requested a stop.
bool is_stop_requested();

/// The signal that requested a stop, once the grace period is over. The end of that period interrupts system
/// calls of the main thread (EINTR).
std::optional<int> signal_without_grace();

/// Throws Interrupted once a signal has requested a stop.
void throw_if_stop_requested();

enum class Readiness { readable, writable };
/// Waits until the descriptor `file` is ready, at most `timeout`; a negative one means no limit. Returns
/// false if the time is up or another signal came. Throws Interrupted if a stop is requested before or
/// meanwhile.
bool wait_until_ready(int file, Readiness what, std::chrono::milliseconds timeout);
/// Waits for `time`. Throws Interrupted if a stop is requested before or meanwhile.
void sleep_for(std::chrono::milliseconds time);

/// Blocks signals for the threads that are started during its lifetime: the main thread handles them.
class SignalBlocker {
 public:
  SignalBlocker();
  ~SignalBlocker();
  SignalBlocker(const SignalBlocker&) = delete;
  SignalBlocker& operator=(const SignalBlocker&) = delete;
  SignalBlocker(SignalBlocker&&) = delete;
  SignalBlocker& operator=(SignalBlocker&&) = delete;

 private:
  sigset_t before_{};
};

/// Makes a flag request a stop of the current thread: while this object exists, the functions above look at
/// the flag as well, several times a second, and throw Interrupted once it is set.
class StopFlag {
 public:
  /// `flag` must outlive this object.
  explicit StopFlag(const std::atomic<bool>& flag);
  ~StopFlag();
  StopFlag(const StopFlag&) = delete;
  StopFlag& operator=(const StopFlag&) = delete;
  StopFlag(StopFlag&&) = delete;
  StopFlag& operator=(StopFlag&&) = delete;
};

/// While it exists, a signal that ends this process at once first kills (SIGKILL) the process group `group`.
/// Does not end the group itself: code that gets Interrupted must do so.
class ProcessGroupGuard {
 public:
  explicit ProcessGroupGuard(int group);
  ~ProcessGroupGuard();
  ProcessGroupGuard(const ProcessGroupGuard&) = delete;
  ProcessGroupGuard& operator=(const ProcessGroupGuard&) = delete;
  ProcessGroupGuard(ProcessGroupGuard&&) = delete;
  ProcessGroupGuard& operator=(ProcessGroupGuard&&) = delete;

 private:
  int group_;
};

}  // namespace signals

}  // namespace tap
