// SPDX-License-Identifier: Apache-2.0
// The one file that sees libpqxx. It uses what 6.4 (Debian 12) and 7.10 (Debian 13) have in common.
#include <utility>

#include <pqxx/pqxx>
#include <spdlog/fmt/fmt.h>

#include <tap/base/error.hpp>
#include <tap/base/text.hpp>
#include <tap/pg/catalog/catalog_session.hpp>
#include <tap/pg/connection.hpp>
#include <tap/pg/session_settings.hpp>

#include "connection_watchdog.hpp"
#include "pg/connect/conninfo.hpp"

namespace tap::pg {

namespace {

pqxx::result run(pqxx::transaction_base& transaction, const std::string& sql,
                 const std::vector<std::string>& parameters) {
  if (parameters.empty()) {
    return transaction.exec(sql);
  }
#if PQXX_VERSION_MAJOR > 7 || (PQXX_VERSION_MAJOR == 7 && PQXX_VERSION_MINOR >= 9)
  pqxx::params bound;
  for (const std::string& parameter : parameters) {
    bound.append(parameter);
  }
  return transaction.exec(sql, bound);
#else
  return transaction.exec_params(sql, pqxx::prepare::make_dynamic_params(parameters));
#endif
}

// Connection connects, because libpqxx supports neither the tunnel nor timeouts per host, and does not report
// the SQLSTATE of a refused login. libpqxx takes the connection over.
#if PQXX_VERSION_MAJOR >= 7
using Handle = pqxx::connection;

Handle adopt(pg_conn* connection) {
  return Handle::seize_raw_connection(connection);
}
#else
class AdoptConnection : public pqxx::connectionpolicy {
 public:
  using pqxx::connectionpolicy::connectionpolicy;

  handle do_startconnect(handle current) override {
    return current != nullptr ? current : std::exchange(next, nullptr);
  }

  static thread_local handle next;  // a policy is given only a connection string
};
thread_local AdoptConnection::handle AdoptConnection::next = nullptr;

using Handle = pqxx::basic_connection_base<AdoptConnection>;

std::string adopt(pg_conn* connection) {
  AdoptConnection::next = connection;
  return "";
}
#endif

}  // namespace

struct CatalogSession::Parts {
  Parts(Connection&& made, const std::string& name)
      : server(made.working_settings()),
        database(name),
        connection(adopt(made.release())),
        transaction(connection) {}

  [[nodiscard]] Endpoint endpoint() {
    return original_endpoint(server, connection.hostname(), connection.port());
  }

  /// What `wait` returns. Gives up on a silent server.
  Result result_of(const std::function<pqxx::result()>& wait) {
    ConnectionWatchdog watchdog(server, database, endpoint(), connection.sock(),
                                {connection.backendpid(), start});
    try {
      auto result = std::make_shared<pqxx::result>(wait());
      std::vector<std::string> columns;
      for (pqxx::row::size_type i = 0; i < result->columns(); ++i) {
        columns.emplace_back(result->column_name(i));
      }
      std::vector<std::string_view> cells;
      cells.reserve(static_cast<std::size_t>(result->size()) * columns.size());
      for (const auto& row : *result) {
        for (const auto& field : row) {
          cells.push_back(field.is_null() ? std::string_view()
                                          : std::string_view(field.c_str(), field.size()));
        }
      }
      return {std::move(result), std::move(columns), std::move(cells)};
    } catch (const pqxx::failure& error) {
      const auto* const refused = dynamic_cast<const pqxx::sql_error*>(&error);
      const auto stall = watchdog.stop();
      if (refused != nullptr && !stall) {
        throw Error(ExitCode::run_failed,
                    fmt::format("a catalog query failed: {} (SQLSTATE {})",
                                collapse_whitespace(refused->what()), refused->sqlstate()));
      }
      throw Error(ExitCode::run_failed,
                  fmt::format("the connection was lost ({}): {}", server.describe(database),
                              stall ? *stall : collapse_whitespace(error.what())));
    }
  }

  ConnectionSettings server;
  std::string database;
  std::string start;  // see Connection::SessionId
  Handle connection;
  pqxx::read_transaction transaction;
};

CatalogSession::CatalogSession(const ConnectionSettings& server, const std::string& database) {
  try {
    parts_ = std::make_unique<Parts>(Connection(server, database), database);
  } catch (const pqxx::failure& error) {
    throw Error(ExitCode::cannot_connect, fmt::format("cannot connect ({}): {}", server.describe(database),
                                                      collapse_whitespace(error.what())));
  }
  // One snapshot, so that the results of all queries agree.
  const Result own =
      query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; " +
            pin_settings(server.timeouts, ServerVersion(parts_->connection.server_version()), true) +
            Connection::kSessionStart);
  parts_->start = own.is_empty() ? "" : own.first().text("session_start");
}

CatalogSession::~CatalogSession() = default;

Result CatalogSession::query(const std::string& sql, const std::vector<std::string>& parameters) {
  return parts_->result_of([&] { return run(parts_->transaction, sql, parameters); });
}

void CatalogSession::query_in_parts(const std::string& sql, const std::vector<std::string>& parameters,
                                    const std::function<void(const Result&)>& read) {
  // Few enough rows to fit into the buffers of a socket, so that the server finishes a part unattended.
  constexpr int most_rows = 1000;
  query("DECLARE tap_rows NO SCROLL CURSOR FOR " + sql, parameters);
  const std::string fetch = fmt::format("FETCH {} FROM tap_rows", most_rows);
  {
    pqxx::pipeline fetches(parts_->transaction);
    fetches.retain(0);
    fetches.insert(fetch);
    const auto next = [&] { return parts_->result_of([&] { return fetches.retrieve().second; }); };
    for (Result rows = next(); !rows.is_empty(); rows = next()) {
      fetches.insert(fetch);  // the server works on it while these rows are read
      read(rows);
    }
  }
  query("CLOSE tap_rows");
}

}  // namespace tap::pg
