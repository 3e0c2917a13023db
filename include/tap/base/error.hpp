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

/// What is wrong and how to repair it, for an error message or a finding of `tap-postgres check`.
struct Problem {
  std::string found;     ///< what is wrong, and where
  std::string needed{};  ///< what is required instead; may be empty
  std::string fix{};     ///< the exact SQL or setting that repairs it; may be empty
};
/// On one line: `found: needed: fix`.
std::string to_text(const Problem& problem);

/// The one exception family. Thrown where the knowledge is, with a text that says what is wrong, where, and
/// what to do next; caught once in main, which prints it as one line and exits with its code.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& text) : std::runtime_error(text), code_(code), problem_{text} {}
  /// For an error that `tap-postgres check` reports as well.
  Error(ExitCode code, const Problem& problem)
      : std::runtime_error(to_text(problem)), code_(code), problem_(problem), is_reported_by_check_(true) {}

  [[nodiscard]] ExitCode code() const noexcept { return code_; }
  [[nodiscard]] const Problem& problem() const noexcept { return problem_; }
  /// True if `tap-postgres check` reports the cause too, perhaps in more detail.
  [[nodiscard]] virtual bool is_reported_by_check() const noexcept {
    return is_reported_by_check_ || code_ == ExitCode::cannot_connect ||
           code_ == ExitCode::log_based_unprepared;
  }

 private:
  ExitCode code_;
  Problem problem_;
  bool is_reported_by_check_ = false;
};

/// The error's text, followed by a hint to run `tap-postgres check` if that reports the cause too.
std::string message_with_hint(const Error& error);

/// A fault of one stream (table gone, no privilege, a value that cannot be sent): the others go on, and the
/// run exits with ExitCode::run_failed at its end.
class StreamError : public Error {
 public:
  explicit StreamError(const std::string& text) : Error(ExitCode::run_failed, text) {}
  explicit StreamError(const Problem& problem) : Error(ExitCode::run_failed, problem) {}
};

/// The server, or what stands between, does not answer as PostgreSQL does. Where one stream's table is read
/// this is that stream's fault.
class MalformedAnswer : public Error {
 public:
  explicit MalformedAnswer(const std::string& text) : Error(ExitCode::run_failed, text) {}
};

}  // namespace tap
