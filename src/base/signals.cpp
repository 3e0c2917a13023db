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

constexpr unsigned kGraceSeconds = 10;
constexpr int kSignals[] = {SIGTERM, SIGINT};

volatile std::sig_atomic_t g_signal = 0;

// Signal handlers read it: a list without locks. Connections are made by few threads at a time.
constexpr std::size_t kMostGroups = 64;
std::array<std::atomic<int>, kMostGroups> g_groups{};
static_assert(std::atomic<int>::is_always_lock_free);

void kill_groups() {
  for (const std::atomic<int>& group : g_groups) {
    if (const int leader = group.load(); leader > 0) {
      kill(-leader, SIGKILL);
    }
  }
}

void on_signal(int signal) {
  g_signal = signal;
  alarm(kGraceSeconds);
}

void end(int signal) {
  kill_groups();
  log::write_last_line();
  _exit(128 + signal);
}

void on_alarm(int /*signal*/) {
  kill_groups();
  _exit(128 + g_signal);
}

void handle(int signal, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  sigaction(signal, &action, nullptr);  // without SA_RESTART: a call that waits ends
}

timespec to_timespec(std::chrono::milliseconds time) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time);
  return {seconds.count(), std::chrono::nanoseconds(time - seconds).count()};
}

/// poll() that a signal cannot slip past: the signals are let in during the wait alone.
bool poll_or_stop(pollfd* file, nfds_t count, std::chrono::milliseconds timeout) {
  sigset_t ours;
  sigset_t before;
  sigemptyset(&ours);
  for (const int signal : kSignals) {
    sigaddset(&ours, signal);
  }
  sigprocmask(SIG_BLOCK, &ours, &before);
  int ready = 0;
  int error = 0;
  if (g_signal == 0) {
    const timespec limit = to_timespec(timeout);
    ready = ppoll(file, count, timeout.count() < 0 ? nullptr : &limit, &before);
    error = errno;
  }
  sigprocmask(SIG_SETMASK, &before, nullptr);
  check();
  return ready > 0 || (ready < 0 && error != EINTR);  // an error shows in the read or write that follows
}

}  // namespace

void listen() {
  for (const int signal : kSignals) {
    handle(signal, on_signal);
  }
  handle(SIGALRM, on_alarm);
}

void end_at_once() {
  log::prepare_last_line(log::Level::warning, "stopped by a signal");
  for (const int signal : kSignals) {
    handle(signal, end);
  }
  check();  // for one that came before
}

bool requested() {
  return g_signal != 0;
}

void check() {
  if (requested()) {
    throw Interrupted(g_signal);
  }
}

bool wait(int file, For what, std::chrono::milliseconds timeout) {
  pollfd entry{file, static_cast<short>(what == For::reading ? POLLIN : POLLOUT), 0};
  return poll_or_stop(&entry, 1, timeout);
}

void sleep(std::chrono::milliseconds time) {
  poll_or_stop(nullptr, 0, time);
}

ChildGroupGuard::ChildGroupGuard(int group) : group_(group) {
  for (std::atomic<int>& place : g_groups) {
    int free = 0;
    if (place.compare_exchange_strong(free, group)) {
      return;
    }
  }
}

ChildGroupGuard::~ChildGroupGuard() {
  for (std::atomic<int>& place : g_groups) {
    int held = group_;
    if (place.compare_exchange_strong(held, 0)) {
      return;
    }
  }
}

}  // namespace signals

}  // namespace tap
