// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <optional>

#include <libpq-fe.h>
#include <spdlog/fmt/fmt.h>

#include <tap/base/log.hpp>
#include <tap/base/stop.hpp>
#include <tap/pg/connection.hpp>
#include <tap/pg/quote.hpp>
#include <tap/pg/settings.hpp>

#include "conninfo.hpp"
#include "password_command.hpp"
#include "refusal.hpp"

namespace tap::pg {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kForEver{-1};

void log_notice(void* /*context*/, const PGresult* notice) {
  if (log::is_on(log::Level::debug)) {
    const std::unique_ptr<char, decltype(&PQfreemem)> text(
        PQresultVerboseErrorMessage(notice, PQERRORS_DEFAULT, PQSHOW_CONTEXT_ERRORS), PQfreemem);
    log::debug("server: {}", one_line(text.get()));
  }
}

std::string field(const PGresult* result, char code) {
  const char* const text =
      result == nullptr ? nullptr : PQresultErrorField(result, static_cast<unsigned char>(code));
  return text == nullptr ? "" : one_line(text);
}

/// The host that libpq is trying.
Endpoint host_of(const Server& server, const PGconn* connection) {
  return meant(server, PQhost(connection), PQport(connection));
}

}  // namespace

bool ServerError::may_pass() const {
  constexpr std::array passing = {"40001", "40P01", "55P03", "55006", "57014"};
  return std::ranges::find(passing, sqlstate_) != passing.end() || sqlstate_.substr(0, 2) == "53";
}

void Connection::Close::operator()(pg_conn* connection) const {
  PQfinish(connection);
}

Connection::Connection(const Server& server, const std::string& database)
    : description_(server.describe(database)), server_(server), database_(database) {
  const seconds timeout(connect_timeout_seconds(server));
  std::optional<Server> hosts = with_password(server);
  while (!connect(*hosts, database, timeout)) {
    const auto fault = tunnel_fault();
    hosts = without_host(*hosts, place_.host, std::to_string(place_.port));
    if (hosts) {
      log::warn("{}: trying the other hosts",
                fault ? fault->text
                      : fmt::format("{} has not answered in {} seconds", place_.text(), timeout.count()));
      continue;
    }
    const std::string text =
        fmt::format("cannot connect ({}): {}", description_,
                    fault ? fault->text : fmt::format("no answer in {} seconds", timeout.count()));
    if (fault && !fault->may_pass) {
      throw Error(ExitCode::cannot_connect, text);
    }
    throw ConnectionLost(ExitCode::cannot_connect, text);
  }
  answering_ = *std::move(hosts);
}

bool Connection::connect(const Server& server, const std::string& database, seconds timeout) {
  connection_.reset(PQconnectStart(conninfo(reachable(server), database).c_str()));
  PGconn* const connection = connection_.get();
  PQsetNoticeReceiver(connection, log_notice, nullptr);  // before the first, which comes with the login
  PQsetErrorVerbosity(connection, PQERRORS_VERBOSE);     // so that a refusal comes with its SQLSTATE
  place_ = host_of(server, connection);
  auto deadline = Clock::now() + timeout;
  PostgresPollingStatusType step = PGRES_POLLING_WRITING;
  while (PQstatus(connection) != CONNECTION_BAD && step != PGRES_POLLING_OK && step != PGRES_POLLING_FAILED) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now());
    if (timeout.count() > 0 && left.count() <= 0) {
      return false;
    }
    const auto what = step == PGRES_POLLING_READING ? stop::For::reading : stop::For::writing;
    if (stop::wait(PQsocket(connection), what, timeout.count() > 0 ? left : kForEver)) {
      step = PQconnectPoll(connection);
    }
    if (Endpoint next = host_of(server, connection); next != place_) {
      place_ = std::move(next);
      deadline = Clock::now() + timeout;
    }
  }
  if (PQstatus(connection) != CONNECTION_OK) {
    const Refusal refusal(in_names_of_config(server, PQerrorMessage(connection)));
    if (refusal.sqlstate.empty() && tunnel_fault()) {
      return false;
    }
    const std::string text =
        server.with_names(fmt::format("cannot connect ({}): {}", description_, refusal.text));
    if (refusal.may_pass()) {
      throw ConnectionLost(ExitCode::cannot_connect, text, refusal.sqlstate);
    }
    if (refusal.is_of_database()) {
      throw DatabaseRefused(text, refusal.sqlstate);
    }
    throw Refused(text, refusal.sqlstate);
  }
  PQsetErrorVerbosity(connection, PQERRORS_DEFAULT);
  const auto hosts = server_.keywords.find("host");
  if (hosts != server_.keywords.end() && hosts->second.find(',') != std::string::npos) {  // this one of them
    Server found = server;
    found.keywords["host"] = place_.host;
    found.keywords["port"] = fmt::to_string(place_.port);
    description_ = found.describe(database);
  }
  return true;
}

std::optional<Tunnel::Fault> Connection::tunnel_fault() const {
  return server_.tunnel ? server_.tunnel->fault(place_) : std::nullopt;
}

void Connection::lost(const std::string& why) const {
  const auto fault = tunnel_fault();
  throw ConnectionLost(ExitCode::run_failed, fmt::format("the connection was lost ({}): {}", description_,
                                                         fault ? fault->text : why));
}

Connection::Result Connection::receive() const {
  Result last(nullptr, PQclear);
  while (true) {
    while (PQisBusy(connection_.get()) != 0 && consume()) {
    }
    Result next(PQgetResult(connection_.get()), PQclear);
    if (!next) {
      return last;
    }
    const auto status = PQresultStatus(next.get());
    last = std::move(next);
    if (status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) {
      return last;
    }
  }
}

void Connection::check(const PGresult* result, int expected) const {
  if (result != nullptr && PQresultStatus(result) == expected) {
    return;
  }
  const std::string sqlstate = field(result, PG_DIAG_SQLSTATE);
  const std::string severity = field(result, PG_DIAG_SEVERITY_NONLOCALIZED);
  if (sqlstate.empty()) {
    const std::string_view message = PQerrorMessage(connection_.get());
    lost(one_line(message.substr(0, message.find('\n'))));  // what follows is libpq's guess at why
  }
  std::string text = field(result, PG_DIAG_MESSAGE_PRIMARY);
  for (const char more : {PG_DIAG_MESSAGE_DETAIL, PG_DIAG_MESSAGE_HINT}) {
    if (const std::string words = field(result, more); !words.empty()) {
      text += "; " + words;
    }
  }
  text += fmt::format(" (SQLSTATE {})", sqlstate);
  if (severity == "FATAL" || severity == "PANIC") {
    lost(text);
  }
  throw ServerError(text, sqlstate);
}

namespace {

void log_sql(std::string_view sql) {
  if (log::is_on(log::Level::debug)) {
    log::debug("SQL: {}", one_line(without_literals(sql)));
  }
}

}  // namespace

void Connection::send(const std::string& sql) {
  if (PQsendQuery(connection_.get(), sql.c_str()) == 0) {
    check(nullptr, PGRES_COMMAND_OK);
  }
}

void Connection::send_reading(const std::string& sql) {
  log_sql(sql);
  send(set_search_path(kTablePath, true) + sql + "; " + set_search_path(kCatalogPath, true));
}

Connection::Result Connection::receive_reading() {
  Result rows(nullptr, PQclear);
  while (true) {
    while (PQisBusy(connection_.get()) != 0 && consume()) {
    }
    Result next(PQgetResult(connection_.get()), PQclear);
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
    // A pooler makes up the PID that it tells its clients. The one query that runs with a foreign search
    // path.
    send(
        fmt::format("SELECT pg_catalog.set_config('search_path', '{}', false) "
                    "WHERE pg_catalog.pg_backend_pid() OPERATOR(pg_catalog.=) {}",
                    kCatalogPath, PQbackendPID(connection_.get())));
    is_pooled_ = receive_rows().size() == 0;
  }
  return *is_pooled_;
}

template <class Statement>
auto Connection::in_pinned_session(Statement statement) {
  if (PQtransactionStatus(connection_.get()) != PQTRANS_IDLE || !is_pooled()) {
    return statement();
  }
  pin_settings(true, "BEGIN; ");
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

Rows Connection::query(const std::string& sql, const std::vector<std::string>& parameters) {
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

Rows Connection::simple_query(const std::string& sql) {
  log_sql(sql);
  send(sql);
  return receive_rows();
}

Rows Connection::read_table(const std::string& sql) {
  return in_pinned_session([&] {
    send_reading(sql);
    return rows_of(receive_reading());
  });
}

Rows Connection::receive_rows() {
  Result result = receive();
  check(result.get(), PGRES_TUPLES_OK);
  return rows_of(std::move(result));
}

Rows Connection::rows_of(std::shared_ptr<pg_result> result) {
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
    note_message(row_size);
  }
  return {result, std::move(columns), std::move(cells)};
}

std::vector<Oid> Connection::column_types(const std::string& sql) {
  send_reading(sql);
  const Result result = receive_reading();
  std::vector<Oid> types;
  types.reserve(static_cast<std::size_t>(PQnfields(result.get())));
  for (int i = 0; i < PQnfields(result.get()); ++i) {
    types.push_back(PQftype(result.get(), i));
  }
  return types;
}

void Connection::pin_settings(bool local, const std::string& before) {
  const std::string sql = before + tap::pg::pin_settings(server_.timeouts, version(), local);
  if (session_start_.empty()) {
    const Rows own = simple_query(sql + kSessionStart);
    session_start_ = own.size() > 0 ? own.text(0, 0) : "";
  } else {
    execute(sql);
  }
}

std::string Connection::protection() const {
  PGconn* const connection = connection_.get();
  if (PQsslInUse(connection) != 0) {
    const auto attribute = [&](const char* name) {
      const char* const value = PQsslAttribute(connection, name);
      return value == nullptr ? "?" : value;
    };
    return fmt::format("{}, {}", attribute("protocol"), attribute("cipher"));
  }
  if (PQgssEncInUse(connection) != 0) {
    return "by GSSAPI";
  }
  const std::string_view host = PQhost(connection);
  return host.starts_with('/') || host.starts_with('@') ? "by a Unix socket" : "not encrypted";
}

ServerVersion Connection::version() const {
  return ServerVersion(PQserverVersion(connection_.get()));
}

pg_conn* Connection::release() {
  return connection_.release();
}

bool Connection::is_open() const noexcept {
  return PQconsumeInput(connection_.get()) != 0 && PQstatus(connection_.get()) == CONNECTION_OK;
}

void Connection::require_open() const {
  if (!is_open()) {
    const std::string_view message = PQerrorMessage(connection_.get());
    lost(one_line(message.substr(0, message.find('\n'))));
  }
}

}  // namespace tap::pg
