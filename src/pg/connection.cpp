// SPDX-License-Identifier: Apache-2.0
#include <optional>

#include <libpq-fe.h>
#include <spdlog/fmt/fmt.h>

#include <tap/base/log.hpp>
#include <tap/base/signals.hpp>
#include <tap/base/text.hpp>
#include <tap/pg/connection.hpp>
#include <tap/pg/quote.hpp>
#include <tap/pg/session_settings.hpp>

#include "connect/connect_error.hpp"
#include "connect/conninfo.hpp"
#include "connect/password_command.hpp"
#include "connect/password_file.hpp"

namespace tap::pg {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kNoTimeout{-1};

std::string field(const PGresult* result, char code) {
  const char* const text =
      result == nullptr ? nullptr : PQresultErrorField(result, static_cast<unsigned char>(code));
  return text == nullptr ? "" : collapse_whitespace(text);
}

/// The host that libpq is currently trying.
Endpoint host_of(const ConnectionSettings& server, const PGconn* connection) {
  return original_endpoint(server, PQhost(connection), PQport(connection));
}

}  // namespace

void Connection::log_notice(void* /*context*/, const pg_result* notice) {
  if (log::is_enabled(log::Level::debug)) {
    const std::unique_ptr<char, decltype(&PQfreemem)> text(
        PQresultVerboseErrorMessage(notice, PQERRORS_DEFAULT, PQSHOW_CONTEXT_ERRORS), PQfreemem);
    log::debug("server: {}", collapse_whitespace(text.get()));
  }
}

void Connection::Closer::operator()(pg_conn* connection) const {
  PQfinish(connection);
}

Connection::Connection(const ConnectionSettings& server, const std::string& database)
    : description_(server.describe(database)), server_(server), database_(database) {
  const seconds timeout(connect_timeout_seconds(server));
  std::optional<ConnectionSettings> hosts = without_unsafe_password_file(with_password(server));
  while (!connect(*hosts, database, timeout)) {
    const auto failure = tunnel_failure();
    hosts = without_host(*hosts, endpoint_.host, std::to_string(endpoint_.port));
    if (hosts) {
      log::warn("{}: trying the other hosts", failure ? failure->text
                                                      : fmt::format("{} has not answered in {} seconds",
                                                                    endpoint_.text(), timeout.count()));
      continue;
    }
    const std::string text =
        fmt::format("cannot connect ({}): {}", description_,
                    failure ? failure->text : fmt::format("no answer in {} seconds", timeout.count()));
    if (failure && !failure->is_transient) {
      throw Error(ExitCode::cannot_connect, text);
    }
    throw TransientError(ExitCode::cannot_connect, text);
  }
  working_settings_ = *std::move(hosts);
}

bool Connection::connect(const ConnectionSettings& server, const std::string& database, seconds timeout) {
  connection_.reset(PQconnectStart(conninfo(through_tunnel(server), database).c_str()));
  PGconn* const connection = connection_.get();
  PQsetNoticeReceiver(connection, log_notice, nullptr);  // a login may already cause notices
  PQsetErrorVerbosity(connection, PQERRORS_VERBOSE);     // so that the message contains the SQLSTATE
  endpoint_ = host_of(server, connection);
  auto deadline = Clock::now() + timeout;
  PostgresPollingStatusType step = PGRES_POLLING_WRITING;
  while (PQstatus(connection) != CONNECTION_BAD && step != PGRES_POLLING_OK && step != PGRES_POLLING_FAILED) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now());
    if (timeout.count() > 0 && left.count() <= 0) {
      return false;
    }
    const auto what =
        step == PGRES_POLLING_READING ? signals::Readiness::readable : signals::Readiness::writable;
    if (signals::wait_until_ready(PQsocket(connection), what, timeout.count() > 0 ? left : kNoTimeout)) {
      step = PQconnectPoll(connection);
    }
    if (Endpoint next = host_of(server, connection); next != endpoint_) {
      endpoint_ = std::move(next);
      deadline = Clock::now() + timeout;
    }
  }
  if (PQstatus(connection) != CONNECTION_OK) {
    const ConnectFailure refused(restore_host_names(server, PQerrorMessage(connection)));
    if (refused.sqlstate.empty() && tunnel_failure()) {
      return false;
    }
    const std::string text =
        server.with_names(fmt::format("cannot connect ({}): {}", description_, refused.text));
    if (refused.is_transient()) {
      throw TransientError(ExitCode::cannot_connect, text, refused.sqlstate);
    }
    if (refused.is_database_specific()) {
      throw DatabaseError(text, refused.sqlstate);
    }
    throw ConnectError(text, refused.sqlstate);
  }
  PQsetErrorVerbosity(connection, PQERRORS_DEFAULT);
  const auto hosts = server_.keywords.find("host");
  if (hosts != server_.keywords.end() &&
      hosts->second.find(',') != std::string::npos) {  // name the one in use
    ConnectionSettings found = server;
    found.keywords["host"] = endpoint_.host;
    found.keywords["port"] = fmt::to_string(endpoint_.port);
    description_ = found.describe(database);
  }
  return true;
}

std::optional<ssh::Tunnel::Failure> Connection::tunnel_failure() const {
  return server_.tunnel ? server_.tunnel->failure(endpoint_) : std::nullopt;
}

void Connection::throw_lost(const std::string& why) const {
  const auto failure = tunnel_failure();
  throw TransientError(ExitCode::run_failed, fmt::format("the connection was lost ({}): {}", description_,
                                                         failure ? failure->text : why));
}

Connection::PgResult Connection::receive() const {
  PgResult last(nullptr, PQclear);
  while (true) {
    while (PQisBusy(connection_.get()) != 0 && consume()) {
    }
    PgResult next(PQgetResult(connection_.get()), PQclear);
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
    throw_lost(
        collapse_whitespace(message.substr(0, message.find('\n'))));  // libpq's guess at the cause follows
  }
  std::string text = field(result, PG_DIAG_MESSAGE_PRIMARY);
  for (const char more : {PG_DIAG_MESSAGE_DETAIL, PG_DIAG_MESSAGE_HINT}) {
    if (const std::string words = field(result, more); !words.empty()) {
      text += "; " + words;
    }
  }
  text += fmt::format(" (SQLSTATE {})", sqlstate);
  if (severity == "FATAL" || severity == "PANIC") {
    throw_lost(text);
  }
  throw ServerError(text, sqlstate);
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
    throw_lost(collapse_whitespace(message.substr(0, message.find('\n'))));
  }
}

}  // namespace tap::pg
