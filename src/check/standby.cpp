// SPDX-License-Identifier: Apache-2.0
#include <spdlog/fmt/fmt.h>

#include <tap/sync/slots/server_requirements.hpp>

#include "checks.hpp"

namespace tap::check {

namespace {

constexpr const char* kDelays = R"sql(
SELECT pg_catalog.current_setting('max_standby_streaming_delay') AS streaming_delay,
       pg_catalog.current_setting('max_standby_archive_delay') AS archive_delay,
       pg_catalog.current_setting('hot_standby_feedback') AS feedback
)sql";

constexpr const char* kFeedback = R"sql(
SELECT pg_catalog.current_setting('hot_standby_feedback') AS feedback,
       pg_catalog.current_setting('primary_slot_name') AS physical
)sql";

}  // namespace

void check_standby_slot(pg::Connection& connection, const pg::DecodingStatus& status, Report& report) {
  const char* const subject = "hot_standby_feedback";
  const pg::Result rows = connection.query(kFeedback);
  const pg::Row row = rows.first();
  if (row.text("feedback") != "on") {
    report.warning(
        subject,
        {"it is off: the primary removes rows of system catalogs that the slot on this standby needs, which "
         "invalidates the slot",
         "turn it on on the standby; the primary then keeps dead rows as long as the slot, or a query on the "
         "standby, needs them, so that its tables grow while no run reads the slot",
         status.is_rds ? "set hot_standby_feedback to 1 in the parameter group of the standby"
                       : "ALTER SYSTEM SET hot_standby_feedback = on; SELECT pg_reload_conf()"});
  } else if (row.text("physical").empty() && !status.is_rds) {
    report.warning(
        "primary_slot_name",
        {"it is empty: hot_standby_feedback has no effect while the standby is not connected to its primary, "
         "which may then remove rows that the slot on this standby needs",
         "create a physical slot on the primary and name it on the standby; the primary then retains WAL "
         "while the standby is down",
         "SELECT pg_create_physical_replication_slot('standby') on the primary, ALTER SYSTEM SET "
         "primary_slot_name = 'standby'; SELECT pg_reload_conf() on the standby"});
  } else {
    report.ok(subject, "it is on");
  }
}

void check_replay_delay(pg::Connection& connection, const pg::DecodingStatus& status,
                        const std::string& subject, Report& report) {
  const pg::Result rows = connection.query(kDelays);
  const pg::Row row = rows.first();
  const std::string streaming = row.text("streaming_delay");
  const std::string archive = row.text("archive_delay");
  const std::string feedback = row.text("feedback");
  const std::string found =
      fmt::format("max_standby_streaming_delay is {}, max_standby_archive_delay {}, hot_standby_feedback {}",
                  streaming, archive, feedback);
  if ((streaming == "-1" && archive == "-1") || feedback == "on") {
    report.ok(subject, found);
    return;
  }
  report.warning(subject,
                 {found + ": a query that blocks replay for longer is canceled and retried",
                  "let replay on the standby wait during an initial snapshot, so that the standby falls "
                  "behind, or let the primary keep the rows, so that its tables grow meanwhile",
                  status.is_rds ? "set max_standby_streaming_delay and max_standby_archive_delay to -1 "
                                  "(Aurora: the maximum), or "
                                  "hot_standby_feedback to 1, in its parameter group"
                                : "ALTER SYSTEM SET max_standby_streaming_delay = -1; ALTER SYSTEM SET "
                                  "max_standby_archive_delay = -1; "
                                  "SELECT pg_reload_conf(), or hot_standby_feedback = on"});
}

void check_secondary(pg::Connection& connection, const pg::ConnectionSettings& server, bool for_snapshots,
                     Report& report) {
  const std::string subject = "secondary_host";
  check_protection(connection, server, "tls of secondary_host", report);
  report.read(connection, subject, [&] {
    const pg::DecodingStatus status = pg::decoding_status(connection);
    try {
      sync::require_standby(connection, status);
    } catch (const Error& error) {
      if (for_snapshots) {  // a snapshot needs its position in the primary's WAL
        throw;
      }
      report.warning(subject, error.problem());
      return;
    }
    check_replay_delay(connection, status, subject, report);
    if (for_snapshots && status.version >= pg::kOldestForLogBased) {
      pg::current_wal_lsn(connection);  // throws if it is not available
    }
  });
}

}  // namespace tap::check
