// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
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

}  // namespace tap
