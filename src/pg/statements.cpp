// SPDX-License-Identifier: Apache-2.0
// How a connection runs statements, and what it pins for them.
#include <memory>
#include <utility>

#include <libpq-fe.h>
#include <spdlog/fmt/fmt.h>

#include <tap/base/log.hpp>
#include <tap/base/text.hpp>
#include <tap/pg/connection.hpp>
#include <tap/pg/quote.hpp>
#include <tap/pg/session_settings.hpp>

namespace tap::pg {

namespace {

void log_sql(std::string_view sql) {
  if (log::is_enabled(log::Level::debug)) {
    log::debug("SQL: {}", collapse_whitespace(without_literals(sql)));
  }
}

// For statements that are sent together, which are one transaction.
constexpr const char* kReadCommitted = "SET LOCAL TRANSACTION ISOLATION LEVEL READ COMMITTED; ";

}  // namespace

void Connection::send(const std::string& sql) {
  if (PQsendQuery(connection_.get(), sql.c_str()) == 0) {
    check(nullptr, PGRES_COMMAND_OK);
  }
}

void Connection::send_table_query(const std::string& sql) {
  log_sql(sql);
  send(set_search_path(kTablePath, true) + sql + "; " + set_search_path(kCatalogPath, true));
}

Connection::PgResult Connection::receive_table_rows() {
  PgResult rows(nullptr, PQclear);
  while (true) {
    while (PQisBusy(connection_.get()) != 0 && consume()) {
    }
    PgResult next(PQgetResult(connection_.get()), PQclear);
    if (!next) {
      check(rows.get(), PGRES_TUPLES_OK);
      return rows;
    }
    if (PQresultStatus(next.get()) != PGRES_COMMAND_OK) {  // the rows, or an error
      rows = std::move(next);
    }
  }
}

bool Connection::is_pooled() {
  if (!is_pooled_) {
    // A pooler reports an invented PID to its clients. No other query runs with a search path set by others,
    // or with a timeout of the role, which may be too short above all if the server compiles each query
    // (jit_above_cost). A standby refuses serializable transactions.
    std::string timeouts;
    for (const auto& [name, value] : known_timeouts(server_.timeouts, version())) {
      timeouts += fmt::format("pg_catalog.set_config('{}', {}, false), ", name, quote_literal(value));
    }
    send(
        fmt::format("{}SET LOCAL statement_timeout = 0; "
                    "SELECT {}pg_catalog.set_config('search_path', '{}', false), "
                    "pg_catalog.set_config('default_transaction_isolation', 'read committed', false) "
                    "WHERE pg_catalog.pg_backend_pid() OPERATOR(pg_catalog.=) {}",
                    kReadCommitted, timeouts, kCatalogPath, PQbackendPID(connection_.get())));
    is_pooled_ = receive_rows().is_empty();
  }
  return *is_pooled_;
}

template <class Statement>
auto Connection::in_pinned_session(Statement statement) {
  if (PQtransactionStatus(connection_.get()) != PQTRANS_IDLE || !is_pooled()) {
    return statement();
  }
  pin_settings(true, "BEGIN ISOLATION LEVEL READ COMMITTED; ");
  try {
    auto answer = statement();
    execute("COMMIT");
    return answer;
  } catch (const ServerError&) {
    execute("ROLLBACK");
    throw;
  }
}

void Connection::pin_session() {
  if (!is_pooled()) {
    pin_settings(false);
  }
}

void Connection::execute(const std::string& sql) {
  log_sql(sql);
  send(sql);
  check(receive().get(), PGRES_COMMAND_OK);
}

Result Connection::query(const std::string& sql, const std::vector<std::string>& parameters) {
  std::vector<const char*> values;
  values.reserve(parameters.size());
  for (const std::string& parameter : parameters) {
    values.push_back(parameter.c_str());
  }
  return in_pinned_session([&] {
    log_sql(sql);
    if (PQsendQueryParams(connection_.get(), sql.c_str(), static_cast<int>(values.size()), nullptr,
                          values.data(), nullptr, nullptr, 0) == 0) {
      check(nullptr, PGRES_TUPLES_OK);
    }
    return receive_rows();
  });
}

Result Connection::simple_query(const std::string& sql) {
  log_sql(sql);
  send(sql);
  return receive_rows();
}

Result Connection::read_table(const std::string& sql) {
  return in_pinned_session([&] {
    send_table_query(sql);
    return to_result(receive_table_rows());
  });
}

Result Connection::receive_rows() {
  PgResult result = receive();
  check(result.get(), PGRES_TUPLES_OK);
  return to_result(std::move(result));
}

Result Connection::to_result(std::shared_ptr<pg_result> result) {
  std::vector<std::string> columns;
  std::vector<std::string_view> cells;
  columns.reserve(static_cast<std::size_t>(PQnfields(result.get())));
  for (int i = 0; i < PQnfields(result.get()); ++i) {
    columns.emplace_back(PQfname(result.get(), i));
  }
  for (int row = 0; row < PQntuples(result.get()); ++row) {
    std::size_t row_size = 0;
    for (int i = 0; i < PQnfields(result.get()); ++i) {
      const auto size = static_cast<std::size_t>(PQgetlength(result.get(), row, i));
      const bool null = PQgetisnull(result.get(), row, i) != 0;
      cells.push_back(null ? std::string_view() : std::string_view(PQgetvalue(result.get(), row, i), size));
      row_size += size;
    }
    note_message_size(row_size);
  }
  return {std::move(result), std::move(columns), std::move(cells)};
}

std::pair<std::vector<Connection::ResultColumn>, Result> Connection::lock_and_query(const std::string& sql,
                                                                                    bool waits,
                                                                                    const std::string& next) {
  log_sql(sql);
  log_sql(next);
  constexpr const char* name = "lock_timeout";
  constexpr const char* at_once = "SET LOCAL lock_timeout = '10ms'; ";
  const auto setting = server_.timeouts.find(name);
  const std::string timeout = setting == server_.timeouts.end() ? "0" : setting->second;
  send((waits ? "" : at_once) + set_search_path(kTablePath, true) + sql + "; " +
       set_search_path(kCatalogPath, true) +
       (waits ? "" : fmt::format("SET LOCAL {} = {}; ", name, quote_literal(timeout))) + next);
  std::vector<PgResult> rows;
  while (true) {
    while (PQisBusy(connection_.get()) != 0 && consume()) {
    }
    PgResult result(PQgetResult(connection_.get()), PQclear);
    if (!result) {
      break;
    }
    if (PQresultStatus(result.get()) != PGRES_COMMAND_OK) {
      rows.push_back(std::move(result));
    }
  }
  for (const PgResult& each : rows) {
    check(each.get(), PGRES_TUPLES_OK);
  }
  constexpr std::size_t queries = 2;
  if (rows.size() != queries) {
    throw MalformedAnswer("the server's answer to a catalog query is malformed: it is missing");
  }
  const int count = PQnfields(rows.front().get());
  std::vector<ResultColumn> columns;
  columns.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    const PGresult* const row = rows.front().get();
    columns.push_back({PQftype(row, i), PQftable(row, i), PQftablecol(row, i)});
  }
  return {std::move(columns), to_result(std::move(rows.back()))};
}

bool Connection::is_in_transaction() const {
  const auto status = PQtransactionStatus(connection_.get());
  return status == PQTRANS_INTRANS || status == PQTRANS_INERROR;
}

void Connection::pin_settings(bool local, const std::string& before) {
  const std::string sql =
      before + (local ? "" : kReadCommitted) + tap::pg::pin_settings(server_.timeouts, version(), local);
  if (session_start_.empty()) {
    const Result own = simple_query(sql + kSessionStart);
    session_start_ = own.is_empty() ? "" : own.first().text("session_start");
  } else {
    execute(sql);
  }
}

}  // namespace tap::pg
