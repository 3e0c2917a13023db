// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <ctime>

#include <poll.h>
#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <tap/base/log.hpp>
#include <tap/base/signals.hpp>

namespace tap {

Interrupted::Interrupted(int signal)
    : std::runtime_error(fmt::format("stopped by signal {}", signal)), signal_(signal) {}

namespace signals {

namespace {

// Less than five seconds together, after which Airflow sends SIGKILL.
constexpr unsigned kGraceSeconds = 3;
constexpr unsigned kLastSeconds = 1;  // to end after the grace period
constexpr int kSignals[] = {SIGTERM, SIGINT};

// Lock-free because a signal handler writes it; all threads read it.
std::atomic<int> g_signal{0};
std::atomic<bool> g_grace_is_over{false};

thread_local const std::atomic<bool>* t_stop = nullptr;  // see StopFlag

// Lock-free because signal handlers read it. Few threads connect at a time, so few groups exist.
constexpr std::size_t kMaxGroups = 64;
std::array<std::atomic<int>, kMaxGroups> g_groups{};
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);

void kill_groups() {
  for (const std::atomic<int>& group : g_groups) {
    if (const int leader = group.load(); leader > 0) {
      kill(-leader, SIGKILL);
    }
  }
}

void request_stop(int signal) {
  if (g_signal == 0) {  // another signal does not prolong the grace period
    alarm(kGraceSeconds);
  }
  g_signal = signal;
}

void exit_now(int signal) {
  kill_groups();
  log::write_signal_message();
  _exit(128 + signal);
}

void end_grace_period(int /*signal*/) {
  if (!g_grace_is_over) {
    g_grace_is_over = true;
    alarm(kLastSeconds);
    return;
  }
  kill_groups();
  _exit(128 + g_signal);
}

void set_handler(int signal, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  sigaction(signal, &action, nullptr);  // no SA_RESTART: blocking calls must return
}

timespec to_timespec(std::chrono::milliseconds time) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time);
  return {seconds.count(), std::chrono::nanoseconds(time - seconds).count()};
}

/// poll() without a race: signals are blocked except during the wait, so none is lost between the look at
/// g_signal and the wait.
bool poll_once(pollfd* file, nfds_t count, std::chrono::milliseconds timeout) {
  sigset_t stop_signals;
  sigset_t before;
  sigemptyset(&stop_signals);
  for (const int signal : kSignals) {
    sigaddset(&stop_signals, signal);
  }
  pthread_sigmask(SIG_BLOCK, &stop_signals, &before);
  int ready = 0;
  int error = 0;
  if (g_signal == 0) {
    const timespec limit = to_timespec(timeout);
    ready = ppoll(file, count, timeout.count() < 0 ? nullptr : &limit, &before);
    error = errno;
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  throw_if_stop_requested();
  return ready > 0 || (ready < 0 && error != EINTR);  // the next read or write reports any other error
}

/// As poll_once(), but notices a StopFlag as well.
bool poll_unless_stopped(pollfd* file, nfds_t count, std::chrono::milliseconds timeout) {
  constexpr std::chrono::milliseconds slice{100};
  if (t_stop == nullptr) {
    return poll_once(file, count, timeout);
  }
  const bool has_limit = timeout.count() >= 0;
  while (!has_limit || timeout > slice) {
    if (poll_once(file, count, slice)) {
      return true;
    }
    timeout -= has_limit ? slice : std::chrono::milliseconds{0};
  }
  return poll_once(file, count, timeout);
}

}  // namespace

void install_handlers() {
  for (const int signal : kSignals) {
    set_handler(signal, request_stop);
  }
  set_handler(SIGALRM, end_grace_period);
}

void exit_on_signal() {
  log::prepare_signal_message(log::Level::warning, "stopped by a signal");
  for (const int signal : kSignals) {
    set_handler(signal, exit_now);
  }
  throw_if_stop_requested();  // a signal may have come before
}

bool is_stop_requested() {
  return g_signal != 0 || (t_stop != nullptr && *t_stop);
}

std::optional<int> signal_without_grace() {
  return g_grace_is_over ? std::optional(g_signal.load()) : std::nullopt;
}

void throw_if_stop_requested() {
  if (is_stop_requested()) {
    throw Interrupted(g_signal);
  }
}

bool wait_until_ready(int file, Readiness what, std::chrono::milliseconds timeout) {
  pollfd entry{file, static_cast<short>(what == Readiness::readable ? POLLIN : POLLOUT), 0};
  return poll_unless_stopped(&entry, 1, timeout);
}

void sleep_for(std::chrono::milliseconds time) {
  poll_unless_stopped(nullptr, 0, time);
}

SignalBlocker::SignalBlocker() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before_);
}

SignalBlocker::~SignalBlocker() {
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

StopFlag::StopFlag(const std::atomic<bool>& flag) {
  t_stop = &flag;
}

StopFlag::~StopFlag() {
  t_stop = nullptr;
}

ProcessGroupGuard::ProcessGroupGuard(int group) : group_(group) {
  for (std::atomic<int>& slot : g_groups) {
    int free = 0;
    if (slot.compare_exchange_strong(free, group)) {
      return;
    }
  }
}

ProcessGroupGuard::~ProcessGroupGuard() {
  for (std::atomic<int>& slot : g_groups) {
    int group = group_;
    if (slot.compare_exchange_strong(group, 0)) {
      return;
    }
  }
}

}  // namespace signals

}  // namespace tap
