// SPDX-License-Identifier: Apache-2.0
#include <libpq-fe.h>
#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <tap/pg/connection.hpp>

#include "conninfo.hpp"
#include "result.hpp"

namespace tap::pg {

namespace {

void log_notice(void* /*context*/, const PGresult* notice) {
  spdlog::debug("server: {}", one_line(PQresultErrorMessage(notice)));
}

std::string field(const PGresult* result, int code) {
  const char* const text = PQresultErrorField(result, code);
  return text == nullptr ? "" : one_line(text);
}

}  // namespace

void Connection::Close::operator()(pg_conn* connection) const { PQfinish(connection); }

Connection::Connection(const Server& server, const std::string& database)
    : description_(server.describe(database)), connection_(PQconnectdb(conninfo(server, database).c_str())) {
  if (PQstatus(connection_.get()) != CONNECTION_OK) {
    throw Error(ExitCode::cannot_connect, fmt::format("cannot connect ({}): {}", description_,
                                                      one_line(PQerrorMessage(connection_.get()))));
  }
  PQsetNoticeReceiver(connection_.get(), log_notice, nullptr);
}

void Connection::check(const PGresult* result, int expected) const {
  if (result != nullptr && PQresultStatus(result) == expected) {
    return;
  }
  const std::string sqlstate = result == nullptr ? "" : field(result, PG_DIAG_SQLSTATE);
  if (PQstatus(connection_.get()) != CONNECTION_OK || sqlstate.empty()) {
    throw ConnectionLost(fmt::format("the connection was lost ({}): {}", description_,
                                     one_line(PQerrorMessage(connection_.get()))));
  }
  std::string text = field(result, PG_DIAG_MESSAGE_PRIMARY);
  for (const int more : {PG_DIAG_MESSAGE_DETAIL, PG_DIAG_MESSAGE_HINT}) {
    if (const std::string words = field(result, more); !words.empty()) {
      text += "; " + words;
    }
  }
  throw ServerError(fmt::format("{} (SQLSTATE {})", text, sqlstate), sqlstate);
}

void Connection::execute(const std::string& sql) {
  const Result result(PQexec(connection_.get(), sql.c_str()));
  check(result.get(), PGRES_COMMAND_OK);
}

Rows Connection::query(const std::string& sql, const std::vector<std::string>& parameters) {
  std::vector<const char*> values;
  values.reserve(parameters.size());
  for (const std::string& parameter : parameters) {
    values.push_back(parameter.c_str());
  }
  const std::shared_ptr<PGresult> result(
      PQexecParams(connection_.get(), sql.c_str(), static_cast<int>(values.size()), nullptr, values.data(), nullptr,
                   nullptr, 0),
      PQclear);
  check(result.get(), PGRES_TUPLES_OK);

  std::vector<std::string> columns;
  std::vector<std::string_view> cells;
  for (int i = 0; i < PQnfields(result.get()); ++i) {
    columns.emplace_back(PQfname(result.get(), i));
  }
  for (int row = 0; row < PQntuples(result.get()); ++row) {
    for (int i = 0; i < PQnfields(result.get()); ++i) {
      const auto size = static_cast<std::size_t>(PQgetlength(result.get(), row, i));
      const bool null = PQgetisnull(result.get(), row, i) != 0;
      cells.push_back(null ? std::string_view() : std::string_view(PQgetvalue(result.get(), row, i), size));
    }
  }
  return {result, std::move(columns), std::move(cells)};
}

int Connection::server_version() const { return PQserverVersion(connection_.get()); }

std::string quote_identifier(std::string_view name) {
  std::string quoted = "\"";
  for (const char c : name) {
    quoted += c;
    if (c == '"') {
      quoted += c;
    }
  }
  return quoted + '"';
}

std::string quote_qualified(std::string_view schema, std::string_view table) {
  return quote_identifier(schema) + '.' + quote_identifier(table);
}

}  // namespace tap::pg
