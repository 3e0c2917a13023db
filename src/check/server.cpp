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

// $1: the time on this machine.
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

/// A time-out setting that can interrupt a run.
struct Timeout {
  std::string_view name;
  std::int64_t enough;  ///< milliseconds from which it does no harm
  const char* effect;
  const char* recommended;
  bool is_ours;  ///< set from the config, not from the role
};
constexpr std::int64_t kMinute = 60'000;
constexpr auto kKnownTimeouts = std::to_array<Timeout>({
    {"idle_in_transaction_session_timeout", kMinute,
     "a copy whose target blocks for that long can lose its connection", "0", true},
    {"lock_timeout", kMinute, "a stream whose table is locked for longer fails", "5min", true},
    {"statement_timeout", kMinute * 10, "a copy that takes longer is canceled", "0", true},
    {"tcp_user_timeout", kMinute * 15, "a run whose target blocks for that long loses its connection", "0",
     false},
    {"wal_sender_timeout", 10'000, "a log-based run that cannot reply for that long is disconnected", "'60s'",
     false},
});

void check_timeouts(pg::Connection& connection, const std::string& role, Report& report) {
  connection.pin_settings(true);  // as in a run
  const pg::Result rows = connection.query(kTimeouts);
  bool any = false;
  for (const pg::Row row : rows) {
    const auto* const known = std::ranges::find(kKnownTimeouts, row.view("name"), &Timeout::name);
    if (row.number("milliseconds") < known->enough) {
      any = true;
      report.warning(
          "timeouts",
          {fmt::format("{} is {}: {}", known->name, row.view("shown"), known->effect),
           known->is_ours ? "set it in the config" : "set it for the role",
           known->is_ours ? fmt::format("\"{}\": \"{}\"", known->name, known->recommended)
                          : fmt::format("ALTER ROLE {} SET {} = {}", role, known->name, known->recommended)});
    }
  }
  if (!any) {
    report.ok("timeouts", "none that would interrupt a run");
  }
}

void check_clock(std::int64_t seconds_ahead, Report& report) {
  constexpr std::int64_t tolerable = 60;
  if (std::abs(seconds_ahead) > tolerable) {
    report.note("clock", {fmt::format("the server's clock is {} seconds {} this machine's",
                                      std::abs(seconds_ahead), seconds_ahead > 0 ? "ahead of" : "behind"),
                          "delete times come from the server, versions and time_extracted from this machine",
                          "enable NTP on both"});
  } else {
    report.ok("clock", "the clocks of the server and this machine agree");
  }
}

}  // namespace

void check_server(pg::Connection& connection, const config::Config& config, Report& report) {
  report.read(connection, "server", [&] {
    const pg::Result rows = connection.query(kServer, {utc_now()});
    const pg::Row row = rows.first();
    const std::string version = fmt::format("PostgreSQL {}", row.view("version"));
    if (connection.version() < pg::kOldestForCopies) {
      report.error("server", {version, "PostgreSQL 9.3 or later"}, ExitCode::run_failed);
      return;
    }
    const pg::DecodingStatus status = pg::decoding_status(connection);
    const std::string role = pg::quote_identifier(status.role);
    report.ok("server", fmt::format("{}{}, {}", version,
                                    row.flag("is_aurora") ? " of Amazon Aurora"
                                    : status.is_rds       ? " of Amazon RDS"
                                                          : "",
                                    status.in_recovery ? "a standby" : "a primary"));
    check_protection(connection, config.server, "tls", report);
    if (!row.is_null("expires")) {
      report.warning("login", {fmt::format("the password of {} expires on {}", role, row.view("expires")), "",
                               fmt::format("ALTER ROLE {} VALID UNTIL 'infinity'", role)});
    }
    check_clock(row.number("seconds_ahead"), report);
    if (status.in_recovery) {
      check_replay_delay(connection, status, "standby", report);
    }
    check_timeouts(connection, role, report);  // last, because it changes the session's time-outs
  });
}

}  // namespace tap::check
