// SPDX-License-Identifier: Apache-2.0
#include "password_command.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>

#include <fcntl.h>
#include <spawn.h>
#include <spdlog/fmt/fmt.h>
#include <sys/wait.h>
#include <unistd.h>

#include <tap/base/signals.hpp>
#include <tap/pg/errors.hpp>

#include "conninfo.hpp"

namespace tap::pg {

namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kLongestPassword = std::size_t{64} << 10U;  // tokens have a few KiB
constexpr milliseconds kNoTimeout{-1};
constexpr milliseconds kMaxPollInterval{50};

[[noreturn]] void fail(const std::string& why) {
  throw TransientError(ExitCode::cannot_connect, "password_command " + why);
}

/// A running shell, the leader of its own process group, so that the processes it starts can be killed with
/// it.
class Child {
 public:
  explicit Child(const std::string& command) {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) {
      fail(fmt::format("cannot be run: {}", std::strerror(errno)));
    }
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGPIPE);  // this process ignores it
    posix_spawnattr_setsigdefault(&attributes, &signals);
    posix_spawnattr_setpgroup(&attributes, 0);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);  // threads that copy block all signals
    // No signal may end this process between the start of the group and its registration.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    std::string shell = "sh";
    std::string option = "-c";
    std::string script = command;
    const std::array<char*, 4> arguments = {shell.data(), option.data(), script.data(), nullptr};
    const int error = posix_spawn(&pid_, "/bin/sh", &files, &attributes, arguments.data(), environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    close(ends[1]);
    output_ = ends[0];
    if (error == 0) {
      group_.emplace(pid_);
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (error != 0) {
      close(output_);
      fail(fmt::format("cannot be run: {}", std::strerror(error)));
    }
  }
  ~Child() {
    close(output_);
    if (pid_ > 0) {
      kill(-pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  Child(Child&&) = delete;
  Child& operator=(Child&&) = delete;

  [[nodiscard]] int output() const { return output_; }

  /// What waitpid() reports once it has exited; nothing while it runs.
  std::optional<int> status() {
    int status = 0;
    if (waitpid(pid_, &status, WNOHANG) == 0) {
      return std::nullopt;
    }
    group_.reset();
    pid_ = 0;
    return status;
  }

 private:
  pid_t pid_ = 0;
  int output_ = -1;
  std::optional<signals::ProcessGroupGuard> group_;
};

/// The end of connect_timeout; 0: no limit.
class Deadline {
 public:
  explicit Deadline(std::chrono::seconds limit) : limit_(limit) {}

  /// Returns the time left, at most `wait` (negative: no limit). Throws TransientError if the time is up.
  [[nodiscard]] milliseconds left(milliseconds wait) const {
    if (limit_.count() <= 0) {
      return wait;
    }
    const auto left = std::chrono::ceil<milliseconds>(deadline_ - Clock::now());
    if (left.count() <= 0) {
      fail(fmt::format("did not exit within {} seconds", limit_.count()));
    }
    return wait.count() < 0 ? left : std::min(left, wait);
  }

 private:
  std::chrono::seconds limit_;
  Clock::time_point deadline_ = Clock::now() + limit_;
};

}  // namespace

ConnectionSettings with_password(const ConnectionSettings& server) {
  ConnectionSettings ready = server;
  if (!server.password_command.empty()) {
    ready.keywords["password"] =
        run_password_command(server.password_command, std::chrono::seconds(connect_timeout_seconds(server)));
  }
  return ready;
}

std::string run_password_command(const std::string& command, std::chrono::seconds limit) {
  Child child(command);
  const Deadline deadline(limit);
  std::string password;
  std::array<char, 4096> piece{};
  ssize_t got = 1;
  while (got != 0) {
    if (signals::wait_until_ready(child.output(), signals::Readiness::readable, deadline.left(kNoTimeout))) {
      got = read(child.output(), piece.data(), piece.size());
      if (got < 0 && errno != EINTR) {
        fail(fmt::format("cannot be read: {}", std::strerror(errno)));
      }
      password.append(piece.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
    }
    if (password.size() > kLongestPassword) {
      fail(fmt::format("printed more than {} KiB", kLongestPassword >> 10U));
    }
  }
  // The command has closed its output but may still run.
  std::optional<int> ended = child.status();
  for (milliseconds wait{1}; !ended; wait = std::min(2 * wait, kMaxPollInterval)) {
    signals::sleep_for(deadline.left(wait));
    ended = child.status();
  }
  const int status = *ended;
  if (WIFSIGNALED(status)) {
    fail(fmt::format("was killed by signal {}", WTERMSIG(status)));
  }
  if (WEXITSTATUS(status) != 0) {
    fail(fmt::format("failed with exit code {}", WEXITSTATUS(status)));
  }
  while (!password.empty() && (password.back() == '\n' || password.back() == '\r')) {
    password.pop_back();
  }
  if (password.empty()) {
    fail("printed nothing");
  }
  return password;
}

}  // namespace tap::pg
