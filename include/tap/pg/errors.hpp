// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <tap/base/error.hpp>

namespace tap::pg {

/// An error of a connection to PostgreSQL. The derived classes differ in what the caller can do:
///
///     TransientError    no connection: retry with a new one
///     ConnectError      the server refuses the login: end the run
///       DatabaseError   it refuses this database: fail the streams of the database
///     ServerError       it refuses a statement: fail the stream, or retry if is_transient()
class PostgresError : public Error {
 public:
  /// The five characters of the manual's appendix PostgreSQL Error Codes. Empty if the server sent none, as
  /// when it cannot be reached.
  [[nodiscard]] const std::string& sqlstate() const noexcept { return sqlstate_; }
  /// True if another attempt with a new connection may succeed.
  [[nodiscard]] virtual bool is_transient() const noexcept { return false; }

 protected:
  PostgresError(ExitCode code, const std::string& text, std::string sqlstate)
      : Error(code, text), sqlstate_(std::move(sqlstate)) {}

 private:
  std::string sqlstate_;
};

/// The connection broke, or could not be made for a reason that may be temporary. What was read before is
/// valid.
class TransientError : public PostgresError {
 public:
  TransientError(ExitCode code, const std::string& text, std::string sqlstate = "")
      : PostgresError(code, text, std::move(sqlstate)) {}

  [[nodiscard]] bool is_transient() const noexcept override { return true; }
};

/// The server refuses the login, and would refuse it again.
class ConnectError : public PostgresError {
 public:
  ConnectError(const std::string& text, std::string sqlstate)
      : PostgresError(ExitCode::cannot_connect, text, std::move(sqlstate)) {}
};

/// The server has no such database, or the role may not connect to it.
class DatabaseError : public ConnectError {
 public:
  using ConnectError::ConnectError;
};

/// The server refuses a statement. The connection still works.
class ServerError : public PostgresError {
 public:
  ServerError(const std::string& text, std::string sqlstate)
      : PostgresError(ExitCode::run_failed, text, std::move(sqlstate)) {}

  /// True for recovery conflicts of a standby, deadlocks, timeouts and a lack of resources.
  [[nodiscard]] bool is_transient() const noexcept override;
  /// `tap-postgres check` reports missing privileges.
  [[nodiscard]] bool is_reported_by_check() const noexcept override { return sqlstate() == "42501"; }
};

}  // namespace tap::pg
