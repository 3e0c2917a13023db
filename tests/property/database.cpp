// SPDX-License-Identifier: Apache-2.0
#include "database.hpp"

#include <stdexcept>

#include <tap/pg/session_settings.hpp>

namespace tap::test {

namespace {

constexpr const char* kHostileSettings =
    "SET client_min_messages = 'warning'; "
    "SET timezone = 'America/New_York'; SET datestyle = 'German'; SET intervalstyle = 'sql_standard'; "
    "SET bytea_output = 'escape'; SET extra_float_digits = 0; SET search_path = pg_catalog";

}  // namespace

bool Answer::succeeded() const {
  const ExecStatusType status = PQresultStatus(result_.get());
  return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

std::string Answer::sqlstate() const {
  const char* code = PQresultErrorField(result_.get(), PG_DIAG_SQLSTATE);
  return code == nullptr ? "" : code;
}

std::optional<std::string_view> Answer::field(int row, int column) const {
  if (PQgetisnull(result_.get(), row, column) != 0) {
    return std::nullopt;
  }
  return std::string_view(PQgetvalue(result_.get(), row, column),
                          static_cast<std::size_t>(PQgetlength(result_.get(), row, column)));
}

Database::Database() : connection_(PQconnectdb(""), &PQfinish) {
  if (PQstatus(connection_.get()) != CONNECTION_OK) {
    throw std::runtime_error(PQerrorMessage(connection_.get()));
  }
  for (const std::string& sql :
       {std::string(kHostileSettings),
        pg::pin_settings(pg::ConnectionSettings().timeouts,
                         pg::ServerVersion(PQserverVersion(connection_.get())), false),
        pg::set_search_path(pg::kTablePath, false), std::string("BEGIN")}) {
    const Answer answer(PQexec(connection_.get(), sql.c_str()));
    if (!answer.succeeded()) {
      throw std::runtime_error(sql + ": " + answer.error());
    }
  }
}

Answer Database::query(const std::string& sql, bool binary) {
  Answer answer(
      PQexecParams(connection_.get(), sql.c_str(), 0, nullptr, nullptr, nullptr, nullptr, binary ? 1 : 0));
  if (!answer.succeeded()) {
    throw std::runtime_error(sql + ": " + answer.error());
  }
  return answer;
}

Answer Database::attempt(const std::string& sql) {
  query("SAVEPOINT attempt");
  Answer answer(PQexec(connection_.get(), sql.c_str()));
  query(answer.succeeded() ? "RELEASE attempt" : "ROLLBACK TO attempt");
  return answer;
}

std::string Database::quote(const std::string& text) const {
  const std::unique_ptr<char, decltype(&PQfreemem)> quoted(
      PQescapeLiteral(connection_.get(), text.data(), text.size()), &PQfreemem);
  return quoted.get();
}

}  // namespace tap::test
