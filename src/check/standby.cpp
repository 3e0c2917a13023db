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

void check_delays(pg::Connection& connection, const pg::DecodingStatus& status, const std::string& subject,
                  Report& report) {
  const pg::Result row = connection.query(kDelays);
  const std::string streaming = row.text(0, row.column("streaming_delay"));
  const std::string archive = row.text(0, row.column("archive_delay"));
  const std::string feedback = row.text(0, row.column("feedback"));
  const std::string found =
      fmt::format("max_standby_streaming_delay is {}, max_standby_archive_delay {}, hot_standby_feedback {}",
                  streaming, archive, feedback);
  if ((streaming == "-1" && archive == "-1") || feedback == "on") {
    report.ok(subject, found);
    return;
  }
  report.warning(subject,
                 {found + ": a query that keeps it from replaying for longer is cancelled, and tried again",
                  "for a first copy let it wait",
                  status.is_rds ? "set max_standby_streaming_delay and max_standby_archive_delay to -1 "
                                  "(Aurora: as high as they go), or "
                                  "hot_standby_feedback to 1, in its parameter group"
                                : "ALTER SYSTEM SET max_standby_streaming_delay = -1; ALTER SYSTEM SET "
                                  "max_standby_archive_delay = -1; "
                                  "SELECT pg_reload_conf(), or hot_standby_feedback = on"});
}

void check_secondary(pg::Connection& connection, const pg::ConnectionSettings& server, bool for_first_copies,
                     Report& report) {
  const std::string subject = "secondary_host";
  check_protection(connection, server, "tls of secondary_host", report);
  report.read(connection, subject, [&] {
    const pg::DecodingStatus status = pg::decoding_status(connection);
    try {
      sync::require_standby(connection, status);
    } catch (const Error& error) {
      if (for_first_copies) {  // of log-based streams: where they stand in the primary's log must be known
        throw;
      }
      report.warning(subject, error.problem());
      return;
    }
    check_delays(connection, status, subject, report);
    if (for_first_copies && status.version >= pg::kOldestForLogBased) {
      pg::current_wal_lsn(connection);  // must be told
    }
  });
}

}  // namespace tap::check
