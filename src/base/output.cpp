// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include <poll.h>
#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <tap/base/output.hpp>

namespace tap {

OutputStalled::OutputStalled(int signal)
    : OutputError(fmt::format("stopped by signal {}; the target did not read the output", signal)),
      signal_(signal) {}

void throw_output_error(int error) {
  if (error == EPIPE) {
    throw OutputClosed();
  }
  throw OutputError(fmt::format("cannot write to stdout: {}", std::strerror(error)));
}

void write_stdout(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(STDOUT_FILENO, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN) {  // another process made the shared descriptor non-blocking
      pollfd output{STDOUT_FILENO, POLLOUT, 0};
      ::poll(&output, 1, -1);
    } else if (errno != EINTR) {
      throw_output_error(errno);
    }
  }
}

// Another thread may hold a lock, so that the child may only call async-signal-safe functions.
void write_in_background(int file, std::string_view text) {
  if (fork() != 0) {
    return;
  }
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGPIPE}) {
    signal(number, SIG_IGN);
  }
  // Whoever waits for the end of the log or of a connection must not wait for this process.
  constexpr long most_files = 65536;
  for (int other = 0; other < std::min(sysconf(_SC_OPEN_MAX), most_files); ++other) {
    if (other != file) {
      close(other);
    }
  }
  while (!text.empty()) {
    const ssize_t written = ::write(file, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN) {
      pollfd output{file, POLLOUT, 0};
      ::poll(&output, 1, -1);
    } else if (errno != EINTR) {
      break;
    }
  }
  _exit(0);
}

}  // namespace tap
