// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <tap/base/error.hpp>
#include <tap/pg/rows.hpp>
#include <tap/pg/server.hpp>

struct pg_conn;    // libpq's PGconn
struct pg_result;  // libpq's PGresult

namespace tap::pg {

/// The connection broke: what was read from it so far is good, nothing more will come.
class ConnectionLost : public Error {
 public:
  explicit ConnectionLost(const std::string& text) : Error(ExitCode::run_failed, text) {}
};

/// Of a server's complaint that does not break the connection: one stream's fault, unless the caller knows more.
class ServerError : public StreamError {
 public:
  ServerError(const std::string& text, std::string sqlstate)
      : StreamError(text), sqlstate_(std::move(sqlstate)) {}

  [[nodiscard]] const std::string& sqlstate() const noexcept { return sqlstate_; }

 private:
  std::string sqlstate_;
};

/// A connection to one database, for what libpqxx cannot do: COPY in binary, and transactions whose snapshot
/// must not be lost to a silent reconnection.
class Connection {
 public:
  /// Connects. Throws Error (ExitCode::cannot_connect) with the server's words.
  Connection(const Server& server, const std::string& database);

  /// Runs statements without an answer.
  void execute(const std::string& sql);
  /// Runs one statement; `parameters` are bound to $1, $2, ... as text. Both throw ServerError, ConnectionLost.
  Rows query(const std::string& sql, const std::vector<std::string>& parameters = {});

  /// The server's version as libpq gives it: 150020 is 15.20.
  [[nodiscard]] int server_version() const;
  /// For messages: host, port, database and user.
  [[nodiscard]] const std::string& description() const { return description_; }

 private:
  friend class CopyReader;

  struct Close {
    void operator()(pg_conn* connection) const;
  };

  /// Throws ServerError or ConnectionLost for a result that is not what was `expected` (ExecStatusType).
  void check(const pg_result* result, int expected) const;

  std::string description_;
  std::unique_ptr<pg_conn, Close> connection_;
};

/// `name` as an SQL identifier, always quoted.
std::string quote_identifier(std::string_view name);
/// `"schema"."table"`.
std::string quote_qualified(std::string_view schema, std::string_view table);

}  // namespace tap::pg
