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

/// What is wrong and where; what is needed instead; the SQL or setting that mends it, to the letter. The
/// latter two may be empty.
struct Complaint {
  std::string found;
  std::string needed{};
  std::string fix{};
};
/// On one line: `found: needed: fix`.
std::string to_text(const Complaint& complaint);

/// The one exception family. Thrown where the knowledge is, with a text that says what is wrong, where, and
/// what to do next; caught once in main, which prints it as one line and exits with its code.
class Error : public std::runtime_error {
 public:
  Error(ExitCode code, const std::string& text) : std::runtime_error(text), code_(code), complaint_{text} {}
  /// For what `tap-postgres check` finds as well.
  Error(ExitCode code, const Complaint& complaint)
      : std::runtime_error(to_text(complaint)), code_(code), complaint_(complaint), foreseen_(true) {}

  [[nodiscard]] ExitCode code() const noexcept { return code_; }
  [[nodiscard]] const Complaint& complaint() const noexcept { return complaint_; }
  /// True if `tap-postgres check` could have told before the run, and may tell more.
  [[nodiscard]] virtual bool is_foreseeable() const noexcept {
    return foreseen_ || code_ == ExitCode::cannot_connect || code_ == ExitCode::log_based_unprepared;
  }

 private:
  ExitCode code_;
  Complaint complaint_;
  bool foreseen_ = false;
};

/// The error's text as a run's last word on it: names the check where that helps.
std::string last_word(const Error& error);

/// A fault of one stream (table gone, no privilege, a value that cannot be sent): the others go on, and the
/// run exits with ExitCode::run_failed at its end.
class StreamError : public Error {
 public:
  explicit StreamError(const std::string& text) : Error(ExitCode::run_failed, text) {}
  explicit StreamError(const Complaint& complaint) : Error(ExitCode::run_failed, complaint) {}
};

/// The server, or what stands between, does not answer as PostgreSQL does. Where one stream's table is read
/// this is that stream's fault.
class MalformedAnswer : public Error {
 public:
  explicit MalformedAnswer(const std::string& text) : Error(ExitCode::run_failed, text) {}
};

}  // namespace tap
