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

}  // namespace

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
                  "let replay wait during an initial snapshot",
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
