// SPDX-License-Identifier: Apache-2.0
#include <spdlog/fmt/fmt.h>

#include <tap/pg/quote.hpp>
#include <tap/sync/slots/server_requirements.hpp>

#include "checks.hpp"

namespace tap::check {

namespace {

constexpr const char* kStandbys = R"sql(
SELECT pg_catalog.current_setting('synchronized_standby_slots') AS waits_for,
       (SELECT CASE WHEN pg_catalog.count(*) = 1 THEN pg_catalog.min(slot_name::text) END
          FROM pg_catalog.pg_replication_slots
         WHERE slot_type = 'physical' AND active AND NOT temporary) AS physical
)sql";

/// The server sends changes to the tap only after the standbys of these slots have received them.
void check_waits_for_standbys(pg::Connection& connection, bool is_rds, Report& report) {
  const char* const subject = "synchronized_standby_slots";
  const pg::Result rows = connection.query(kStandbys);
  const pg::Row row = rows.first();
  if (!row.text("waits_for").empty()) {
    report.ok(subject, row.text("waits_for"));
    return;
  }
  const std::string slots = row.is_null("physical") ? "<physical slot of the standby>" : row.text("physical");
  report.warning(
      subject,
      {"it is empty: a run can read changes that no standby has received, and after a failover the changes "
       "of the new primary at the same positions in WAL are missing",
       "name the physical slots of the standbys that may be promoted, and no others: without one of them, "
       "runs "
       "wait",
       is_rds ? "set synchronized_standby_slots in its parameter group"
              : fmt::format("ALTER SYSTEM SET synchronized_standby_slots = {}; SELECT pg_reload_conf()",
                            pg::quote_literal(slots))});
}

}  // namespace

void check_failover(pg::Connection& connection, const config::Config& config,
                    const pg::DecodingStatus& status, const std::optional<pg::Slot>& slot, Report& report) {
  const char* const subject = "failover_slot";
  if (!config.log.failover_slot) {
    return;
  }
  if (!report.attempt(subject, [&] { sync::require_failover_support(status, config); })) {
    return;
  }
  if (slot && !slot->is_failover) {
    report.warning(
        subject,
        {fmt::format("replication slot {} is not a failover slot: standbys do not copy it", slot->name),
         "alter it while no run reads it",
         fmt::format("psql 'dbname={} replication=database' -c 'ALTER_REPLICATION_SLOT {} (FAILOVER true)'",
                     slot->database, pg::quote_identifier(slot->name))});
  } else if (slot) {
    report.ok(subject, fmt::format("replication slot {} is a failover slot", slot->name));
  }
  report.read(connection, "synchronized_standby_slots",
              [&] { check_waits_for_standbys(connection, status.is_rds, report); });
}

}  // namespace tap::check
