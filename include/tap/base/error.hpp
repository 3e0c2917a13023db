// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdexcept>
#include <string>

namespace tap {

/// The exit codes of the process. After a signal it is 128 + the signal's number instead.
enum class ExitCode {
  done = 0,
  run_failed = 1,           ///< a stream failed, or the connection was lost permanently
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

/// The base of all errors. Its text says what failed, where, and what to do. main() prints it as one line and
/// exits with its code.
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

/// An error of one stream, such as a missing table or privilege or a value that cannot be sent. The other
/// streams continue, and the run ends with ExitCode::run_failed.
class StreamError : public Error {
 public:
  explicit StreamError(const std::string& text) : Error(ExitCode::run_failed, text) {}
  explicit StreamError(const Problem& problem) : Error(ExitCode::run_failed, problem) {}
};

/// The server, or a proxy before it, sent something that PostgreSQL does not send. While one stream's table
/// is read, it is treated as a stream error.
class MalformedAnswer : public Error {
 public:
  explicit MalformedAnswer(const std::string& text) : Error(ExitCode::run_failed, text) {}
};

}  // namespace tap
