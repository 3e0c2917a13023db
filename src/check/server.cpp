// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cstdlib>

#include <spdlog/fmt/fmt.h>

#include <tap/base/clock.hpp>
#include <tap/pg/quote.hpp>
#include <tap/pg/slots.hpp>

#include "areas.hpp"

namespace tap::check {

namespace {

// $1: the time here.
constexpr const char* kServer = R"sql(
SELECT pg_catalog.current_setting('server_version') AS version,
       pg_catalog.current_setting('server_version_num')::int AS version_number,
       pg_catalog.to_regproc('pg_catalog.aurora_version') IS NOT NULL AS is_aurora,
       coalesce(s.ssl, false) AS is_encrypted, s.version AS tls_version, s.cipher AS cipher,
       coalesce(pg_catalog.inet_server_addr() <<= '127.0.0.0/8' OR pg_catalog.inet_server_addr() = '::1', true) AS is_local,
       (SELECT rolvaliduntil::date
          FROM pg_catalog.pg_roles
         WHERE rolname = current_user AND rolvaliduntil < pg_catalog.now() + interval '7 days') AS expires,
       extract(epoch FROM pg_catalog.clock_timestamp() - $1::timestamptz)::bigint AS seconds_ahead
  FROM (SELECT 1) one LEFT JOIN pg_catalog.pg_stat_ssl s ON s.pid = pg_catalog.pg_backend_pid()
)sql";

constexpr const char* kTimeouts = R"sql(
SELECT name AS name, setting::bigint AS milliseconds, setting || unit AS shown
  FROM pg_catalog.pg_settings
 WHERE name IN ('lock_timeout', 'tcp_user_timeout', 'transaction_timeout', 'wal_sender_timeout')
   AND setting <> '0'
 ORDER BY name
)sql";

constexpr const char* kStandby = R"sql(
SELECT pg_catalog.current_setting('max_standby_streaming_delay') AS streaming_delay,
       pg_catalog.current_setting('max_standby_archive_delay') AS archive_delay,
       pg_catalog.current_setting('hot_standby_feedback') AS feedback
)sql";

/// A setting that ends what takes longer. What every session of ours sets for itself (pg/settings.cpp) is not
/// among them.
struct Timeout {
  std::string_view name;
  std::int64_t enough;  ///< milliseconds from which on it is out of the way
  const char* cuts;
  const char* good;
};
constexpr std::int64_t kMinute = 60'000;
constexpr auto kKnownTimeouts = std::to_array<Timeout>({
    {"lock_timeout", kMinute, "a stream whose table is locked for longer fails", "0"},
    {"tcp_user_timeout", kMinute * 15, "a run whose target takes nothing for so long loses its connection",
     "0"},
    {"transaction_timeout", kMinute * 60 * 24, "a copy that takes longer is cut off", "0"},
    {"wal_sender_timeout", 10'000, "a log-based run that cannot answer for so long is cut off", "'60s'"},
});

void check_timeouts(pg::Connection& connection, const std::string& role, Report& report) {
  const pg::Rows rows = connection.query(kTimeouts);
  const auto name = rows.column("name");
  const auto milliseconds = rows.column("milliseconds");
  const auto shown = rows.column("shown");
  bool any = false;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const auto* const known = std::ranges::find(kKnownTimeouts, rows.view(row, name), &Timeout::name);
    if (rows.number(row, milliseconds) < known->enough) {
      any = true;
      report.warning(
          "timeouts",
          {fmt::format("{} is {}: {}", known->name, rows.view(row, shown), known->cuts),
           "set it for the role", fmt::format("ALTER ROLE {} SET {} = {}", role, known->name, known->good)});
    }
  }
  if (!any) {
    report.ok("timeouts", "none that would cut a run");
  }
}

void check_standby(pg::Connection& connection, Report& report) {
  const pg::Rows row = connection.query(kStandby);
  const std::string streaming = row.text(0, row.column("streaming_delay"));
  const std::string archive = row.text(0, row.column("archive_delay"));
  const std::string feedback = row.text(0, row.column("feedback"));
  const std::string found =
      fmt::format("max_standby_streaming_delay is {}, max_standby_archive_delay {}, hot_standby_feedback {}",
                  streaming, archive, feedback);
  if ((streaming == "-1" && archive == "-1") || feedback == "on") {
    report.ok("standby", found);
    return;
  }
  report.warning(
      "standby",
      {found + ": a query that keeps it from replaying for longer is cancelled, and tried again",
       "for a first copy let it wait (Amazon RDS and Aurora: in the parameter group)",
       "ALTER SYSTEM SET max_standby_streaming_delay = -1; ALTER SYSTEM SET max_standby_archive_delay = -1; "
       "SELECT pg_reload_conf(), or hot_standby_feedback = on"});
}

void check_tls(const pg::Rows& row, const config::Config& config, Report& report) {
  const auto set = config.server.keywords.find("sslmode");
  const std::string mode =
      set == config.server.keywords.end() ? pg::connection_default("sslmode") : set->second;
  if (row.flag(0, row.column("is_encrypted"))) {
    const std::string found =
        fmt::format("{} with {}", row.view(0, row.column("tls_version")), row.view(0, row.column("cipher")));
    if (mode == "verify-full" || mode == "verify-ca") {
      report.ok("tls", found + ", the server's certificate is verified");
    } else {
      report.note("tls", {found + ", but anybody's certificate is taken for the server's", "verify it",
                          "\"sslmode\": \"verify-full\" and \"sslrootcert\" in the config"});
    }
  } else if (row.flag(0, row.column("is_local"))) {
    report.ok("tls", "not encrypted, on the server's own machine");
  } else {
    report.warning(
        "tls", {"the connection is not encrypted: the password's proof and all rows can be read on the way",
                "let the server use TLS (ssl = on)", "\"sslmode\": \"require\" in the config"});
  }
}

void check_clock(std::int64_t seconds_ahead, Report& report) {
  constexpr std::int64_t tolerable = 60;
  if (std::abs(seconds_ahead) > tolerable) {
    report.note("clock",
                {fmt::format("the server's is {} seconds {} this machine's", std::abs(seconds_ahead),
                             seconds_ahead > 0 ? "ahead of" : "behind"),
                 "delete times are the server's, versions and time_extracted this machine's", "NTP on both"});
  } else {
    report.ok("clock", "the server's and this machine's agree");
  }
}

}  // namespace

Complaint cannot_enter(const std::string& found, const std::string& sqlstate, const std::string& database,
                       const std::string& user) {
  const std::string role = user.empty() ? "..." : pg::quote_identifier(user);
  const std::string name = database.empty() ? "..." : pg::quote_identifier(database);
  const std::string kind = sqlstate.substr(0, 2);
  if (sqlstate.empty()) {
    return {found, "a server that can be reached from here",
            "host and port in the config; at the server listen_addresses, firewall, security group"};
  }
  if (sqlstate == "28P01") {
    return {found, "the role's password, which has not expired",
            fmt::format("password in the config; ALTER ROLE {} PASSWORD '...' VALID UNTIL 'infinity'", role)};
  }
  if (kind == "28") {
    return {found, "a role that may log in, and a line of pg_hba.conf that lets it in from here",
            fmt::format("CREATE ROLE {0} LOGIN PASSWORD '...', ALTER ROLE {0} LOGIN, or a line `host {1} {0} "
                        "<this machine>/32 scram-sha-256`, then SELECT pg_reload_conf()",
                        role, name)};
  }
  if (sqlstate == "3D000") {
    return {found, "a database that is there", "dbname in the config, database-name in the catalog"};
  }
  if (sqlstate == "42501") {
    return {found, "the right to connect", fmt::format("GRANT CONNECT ON DATABASE {} TO {}", name, role)};
  }
  if (sqlstate == "55000") {
    return {found, "", fmt::format("ALTER DATABASE {} ALLOW_CONNECTIONS true", name)};
  }
  if (kind == "53") {
    return {found, "a free connection",
            fmt::format("ALTER ROLE {} CONNECTION LIMIT -1, ALTER DATABASE {} CONNECTION LIMIT -1, or raise "
                        "max_connections",
                        role, name)};
  }
  return {found, "wait until the server takes connections"};
}

void check_server(pg::Connection& connection, const config::Config& config, Report& report) {
  report.read(connection, "server", [&] {
    const pg::Rows row = connection.query(kServer, {utc_now()});
    const std::string version = fmt::format("PostgreSQL {}", row.view(0, row.column("version")));
    if (row.number(0, row.column("version_number")) < 100000) {
      report.error("server", {version, "PostgreSQL 10 or later"}, ExitCode::run_failed);
      return;
    }
    const pg::LogStatus status = pg::log_status(connection);
    const std::string role = pg::quote_identifier(status.role);
    report.ok("server", fmt::format("{}{}, {}", version,
                                    row.flag(0, row.column("is_aurora")) ? " of Amazon Aurora"
                                    : status.is_rds                      ? " of Amazon RDS"
                                                                         : "",
                                    status.in_recovery ? "a standby" : "a primary"));
    check_tls(row, config, report);
    if (!row.is_null(0, row.column("expires"))) {
      report.warning(
          "login", {fmt::format("the password of {} expires on {}", role, row.view(0, row.column("expires"))),
                    "", fmt::format("ALTER ROLE {} VALID UNTIL 'infinity'", role)});
    }
    check_clock(row.number(0, row.column("seconds_ahead")), report);
    check_timeouts(connection, role, report);
    if (status.in_recovery) {
      check_standby(connection, report);
    }
  });
}

}  // namespace tap::check
