// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdexcept>
#include <string>

namespace tap {

/// What the process exits with. A run that a signal ended exits with 128 + the signal's number instead.
enum class ExitCode {
  done = 0,
  run_failed = 1,           ///< a stream failed, or the connection was lost for good
  usage = 2,                ///< config, catalog, state or command line is wrong
  cannot_connect = 3,       ///< no connection, or the server refused the login
  log_based_unprepared = 4  ///< a precondition of log-based replication is not met
};

/// The one exception family. Thrown where the knowledge is, with a text that says what is wrong, where, and
/// what to do next; caught once in main, which prints it as one line and exits with its code.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& text) : std::runtime_error(text), code_(code) {}

  [[nodiscard]] ExitCode code() const noexcept { return code_; }

 private:
  ExitCode code_;
};

/// A fault of one stream (table gone, no privilege, a value that cannot be sent): the others go on, and the
/// run exits with ExitCode::run_failed at its end.
class StreamError : public Error {
 public:
  explicit StreamError(const std::string& text) : Error(ExitCode::run_failed, text) {}
};

}  // namespace tap
