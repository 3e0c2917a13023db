// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <libpq-fe.h>

namespace tap::test {

/// The result of a query. Its fields are valid as long as it exists.
class Answer {
 public:
  explicit Answer(PGresult* result) : result_(result, &PQclear) {}

  [[nodiscard]] bool succeeded() const;
  [[nodiscard]] std::string error() const { return PQresultErrorMessage(result_.get()); }
  [[nodiscard]] std::string sqlstate() const;
  [[nodiscard]] int size() const { return PQntuples(result_.get()); }
  /// Returns nullopt for NULL.
  [[nodiscard]] std::optional<std::string_view> field(int row, int column) const;
  /// Returns the text of a field that is not NULL.
  [[nodiscard]] std::string text(int row, int column) const {
    return std::string(field(row, column).value());
  }
  [[nodiscard]] int number(int row, int column) const { return std::stoi(text(row, column)); }

 private:
  std::unique_ptr<PGresult, decltype(&PQclear)> result_;
};

/// A session on the server that the PG* environment variables name, in one transaction that is never
/// committed. It starts with unusual settings and then sets those that every connection of the tap sets.
class Database {
 public:
  Database();

  /// Throws std::runtime_error with the statement and the server's message.
  Answer query(const std::string& sql, bool binary = false);
  /// Runs a statement in a savepoint: if it fails, the transaction continues.
  Answer attempt(const std::string& sql);
  [[nodiscard]] std::string quote(const std::string& text) const;

 private:
  std::unique_ptr<PGconn, decltype(&PQfinish)> connection_;
};

}  // namespace tap::test
