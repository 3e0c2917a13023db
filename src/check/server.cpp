// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cstdlib>

#include <spdlog/fmt/fmt.h>

#include <tap/base/clock.hpp>
#include <tap/pg/catalog/slots.hpp>
#include <tap/pg/quote.hpp>

#include "checks.hpp"

namespace tap::check {

namespace {

// $1: the time here.
constexpr const char* kServer = R"sql(
SELECT pg_catalog.current_setting('server_version') AS version,
       EXISTS (SELECT 1
                 FROM pg_catalog.pg_proc p
                 JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
                WHERE n.nspname = 'pg_catalog' AND p.proname = 'aurora_version') AS is_aurora,
       (SELECT rolvaliduntil::date
          FROM pg_catalog.pg_roles
         WHERE rolname = current_user AND rolvaliduntil < pg_catalog.now() + interval '7 days') AS expires,
       extract(epoch FROM pg_catalog.clock_timestamp() - $1::timestamptz)::bigint AS seconds_ahead
)sql";

constexpr const char* kTimeouts = R"sql(
SELECT name AS name, setting::bigint AS milliseconds, setting || unit AS shown
  FROM pg_catalog.pg_settings
 WHERE name IN ('idle_in_transaction_session_timeout', 'lock_timeout', 'statement_timeout', 'tcp_user_timeout',
                'wal_sender_timeout')
   AND setting <> '0'
 ORDER BY name
)sql";

/// A setting that ends what takes longer.
struct Timeout {
  std::string_view name;
  std::int64_t enough;  ///< milliseconds from which on it is out of the way
  const char* cuts;
  const char* good;
  bool is_ours;  ///< the config's, whatever the role's is (pg/settings.cpp)
};
constexpr std::int64_t kMinute = 60'000;
constexpr auto kKnownTimeouts = std::to_array<Timeout>({
    {"idle_in_transaction_session_timeout", kMinute,
     "a copy that waits for its target for so long can lose its connection", "0", true},
    {"lock_timeout", kMinute, "a stream whose table is locked for longer fails", "5min", true},
    {"statement_timeout", kMinute * 10, "a copy that takes longer is cut off", "0", true},
    {"tcp_user_timeout", kMinute * 15, "a run whose target takes nothing for so long loses its connection",
     "0", false},
    {"wal_sender_timeout", 10'000, "a log-based run that cannot answer for so long is cut off", "'60s'",
     false},
});

void check_timeouts(pg::Connection& connection, const std::string& role, Report& report) {
  connection.pin_settings(true);  // as they are in a run
  const pg::Result rows = connection.query(kTimeouts);
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
           known->is_ours ? "set it in the config" : "set it for the role",
           known->is_ours ? fmt::format("\"{}\": \"{}\"", known->name, known->good)
                          : fmt::format("ALTER ROLE {} SET {} = {}", role, known->name, known->good)});
    }
  }
  if (!any) {
    report.ok("timeouts", "none that would cut a run");
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

void check_server(pg::Connection& connection, const config::Config& config, Report& report) {
  report.read(connection, "server", [&] {
    const pg::Result row = connection.query(kServer, {utc_now()});
    const std::string version = fmt::format("PostgreSQL {}", row.view(0, row.column("version")));
    if (connection.version() < pg::kOldestForCopies) {
      report.error("server", {version, "PostgreSQL 9.3 or later"}, ExitCode::run_failed);
      return;
    }
    const pg::DecodingStatus status = pg::decoding_status(connection);
    const std::string role = pg::quote_identifier(status.role);
    report.ok("server", fmt::format("{}{}, {}", version,
                                    row.flag(0, row.column("is_aurora")) ? " of Amazon Aurora"
                                    : status.is_rds                      ? " of Amazon RDS"
                                                                         : "",
                                    status.in_recovery ? "a standby" : "a primary"));
    check_protection(connection, config.server, "tls", report);
    if (!row.is_null(0, row.column("expires"))) {
      report.warning(
          "login", {fmt::format("the password of {} expires on {}", role, row.view(0, row.column("expires"))),
                    "", fmt::format("ALTER ROLE {} VALID UNTIL 'infinity'", role)});
    }
    check_clock(row.number(0, row.column("seconds_ahead")), report);
    if (status.in_recovery) {
      check_delays(connection, status, "standby", report);
    }
    check_timeouts(connection, role, report);  // at last, since they hold from then on
  });
}

}  // namespace tap::check
