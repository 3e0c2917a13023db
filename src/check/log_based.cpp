// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <optional>

#include <spdlog/fmt/fmt.h>

#include <tap/pg/catalog/slots.hpp>
#include <tap/sync/slots/commands.hpp>
#include <tap/sync/slots/selection.hpp>
#include <tap/sync/slots/server_requirements.hpp>

#include "checks.hpp"
#include "sync/slots/history.hpp"

namespace tap::check {

namespace {

// max_slot_wal_keep_size exists since version 13.
constexpr const char* kCapacity = R"sql(
SELECT pg_catalog.current_setting('max_replication_slots')::int AS slots,
       (SELECT count(*) FROM pg_catalog.pg_replication_slots) AS slots_used,
       pg_catalog.current_setting('max_wal_senders')::int AS senders,
       (SELECT count(*) FROM pg_catalog.pg_stat_replication) AS senders_used,
       pg_catalog.current_setting('max_slot_wal_keep_size', true) AS keep_size
)sql";

// Exists since version 18.
constexpr const char* kIdleTimeout = R"sql(
SELECT pg_catalog.current_setting(name) AS shown, setting::bigint AS seconds
  FROM pg_catalog.pg_settings
 WHERE name = 'idle_replication_slot_timeout' AND setting <> '0'
)sql";

/// How to change a setting that takes effect at the next start of the server.
std::string change_setting(const pg::DecodingStatus& status, const char* name, std::int64_t value) {
  return status.is_rds ? fmt::format("set {} to {} in its parameter group and reboot it", name, value)
                       : fmt::format("ALTER SYSTEM SET {} = {}", name, value);
}

/// `needs_slot`: a slot must be created. `wants_slot`: an initial snapshot uses a temporary slot if one is
/// free.
void check_capacity(pg::Connection& connection, const pg::DecodingStatus& status, bool needs_slot,
                    bool wants_slot, Report& report) {
  const pg::Result rows = connection.query(kCapacity);
  const pg::Row row = rows.first();
  const auto number = [&](const char* name) { return row.number(name); };
  const std::string slots =
      fmt::format("{} of {} replication slots are in use", number("slots_used"), number("slots"));
  const Problem no_slot = {slots,
                           "raise max_replication_slots (requires a restart), or drop an inactive slot",
                           change_setting(status, "max_replication_slots", number("slots") + 5)};
  if (number("slots_used") < number("slots")) {
    report.ok("free slots", slots);
  } else if (needs_slot) {
    report.error("free slots", no_slot, ExitCode::log_based_unprepared);
  } else if (wants_slot) {
    report.warning("free slots", {no_slot.found + ": changes during initial snapshots will be sent twice",
                                  no_slot.needed, no_slot.fix});
  } else {
    report.note("free slots", no_slot);
  }
  const std::string senders =
      fmt::format("{} of {} WAL senders are in use", number("senders_used"), number("senders"));
  if (number("senders_used") < number("senders")) {
    report.ok("free senders", senders);
  } else {
    report.error("free senders",
                 {senders, "raise max_wal_senders (requires a restart)",
                  change_setting(status, "max_wal_senders", number("senders") + 5)},
                 ExitCode::log_based_unprepared);
  }
  if (row.text("keep_size") == "-1") {
    report.note(
        "max_slot_wal_keep_size",
        {"it is -1: an inactive slot retains WAL until the disk is full",
         "a limit that covers a few days without a run",
         status.is_rds ? "set max_slot_wal_keep_size to 51200 (megabytes) in its parameter group"
                       : "ALTER SYSTEM SET max_slot_wal_keep_size = '50GB'; SELECT pg_reload_conf()"});
  }
}

void check_idle_timeout(pg::Connection& connection, const pg::DecodingStatus& status,
                        const std::optional<pg::Slot>& slot, Report& report) {
  const char* const subject = "idle_replication_slot_timeout";
  const pg::Result rows = connection.query(kIdleTimeout);
  if (rows.is_empty()) {
    return;
  }
  const pg::Row row = rows.first();
  const std::string timeout = row.text("shown");
  const std::string turn_off =
      status.is_rds ? "set idle_replication_slot_timeout to 0 in its parameter group"
                    : "ALTER SYSTEM SET idle_replication_slot_timeout = 0; SELECT pg_reload_conf()";
  if (slot && slot->idle && slot->idle->count() > row.number("seconds")) {
    report.warning(subject,
                   {fmt::format("it is {}, and slot {} has been inactive for {} s: the next checkpoint of "
                                "the server invalidates the slot",
                                timeout, slot->name, slot->idle->count()),
                    "run the tap now, and more often or without a timeout", turn_off});
  } else {
    report.note(
        subject,
        {fmt::format("it is {}: the server invalidates a slot that has been idle for that long", timeout),
         "run the tap more often, or turn the timeout off", turn_off});
  }
}

void check_plugin(pg::Connection& connection, std::string_view plugin, Report& report) {
  try {
    const auto allowed = pg::allowed_plugins(connection);
    if (!allowed || std::ranges::find(*allowed, plugin) != allowed->end()) {
      report.ok("plugin", fmt::format("the server may load {}", plugin));
    } else {
      report.error("plugin",
                   sync::plugin_not_allowed(
                       connection, fmt::format("{} is not in output_plugin_libraries", plugin), plugin),
                   ExitCode::log_based_unprepared);
    }
  } catch (const pg::ServerError&) {
    report.note(
        "plugin",
        {fmt::format("only an administrator can read output_plugin_libraries, which must include {}", plugin),
         "", "SHOW output_plugin_libraries"});
  }
}

/// True if the role may replicate.
bool check_right(const pg::DecodingStatus& status, const config::Config& config, const std::string& database,
                 Report& report) {
  return report.attempt("replication", [&] {
    try {
      sync::require_replication_privilege(status, config, database);
      report.ok("replication", fmt::format("{} may replicate", status.role));
    } catch (const pg::ConnectError& refused) {
      throw Error(refused.code(), connection_problem(refused, database, config));
    }
  });
}

}  // namespace

std::set<pg::TableName> check_wal(pg::Connection& connection, const config::Config& config,
                                  const std::string& database,
                                  const std::vector<const sync::StreamPlan*>& streams, singer::State& state,
                                  Report& report) {
  std::set<pg::TableName> without_updates;
  pg::DecodingStatus status;
  const std::string subject = "WAL of database " + database;
  if (!report.attempt(subject, [&] { status = pg::decoding_status(connection); })) {
    return without_updates;
  }
  if (!report.attempt(subject, [&] { sync::require_log_based_version(status.version); })) {
    return without_updates;
  }
  std::optional<Lsn> end;
  if (report.attempt(subject, [&] { sync::require_logical_decoding(status); })) {
    report.attempt(subject, [&] {
      end = pg::current_wal_lsn(connection);
      report.ok(subject, fmt::format("wal_level is {}", status.wal_level));
    });
  } else if (status.in_recovery) {
    return without_updates;  // slots are on the primary
  }
  const bool may_replicate = check_right(status, config, database, report);
  const std::vector<sync::StreamPosition> positions = sync::positions(streams, state);
  sync::SlotChoice choice;
  std::string name = sync::slot_names(config, database).front();
  bool is_usable = report.attempt("slot " + name, [&] {
    choice = sync::choose_slot(connection, config, database, positions);
    name = choice.slot ? choice.slot->name : sync::slot_to_create(connection, config, database);
    if (!choice.migration.empty()) {
      report.note("slot " + name, {choice.migration, "", ""});
    }
  });
  std::optional<pg::Slot> slot = choice.slot;
  const std::string plugin = slot ? slot->plugin : std::string(sync::plugin_to_create(config.log));
  report.attempt("plugin", [&] { check_plugin(connection, plugin, report); });
  if (is_usable) {
    without_updates = check_publications(connection, config, database, streams, state, report);
  }
  report.attempt("free slots", [&] {
    check_capacity(connection, status, is_usable && !slot && config.log.create_slot,
                   positions.size() < streams.size() && !status.in_recovery, report);
  });
  check_failover(connection, config, status, slot, report);
  if (status.in_recovery) {
    report.attempt("hot_standby_feedback", [&] { check_standby_slot(connection, status, report); });
  }
  if (!is_usable) {
    return without_updates;
  }
  report.attempt("idle_replication_slot_timeout",
                 [&] { check_idle_timeout(connection, status, slot, report); });
  if (!slot && config.log.create_slot) {
    report.note("slot " + name, {"it does not exist; the run creates it", "", ""});
    return without_updates;
  }
  const std::string slot_subject = "slot " + name;
  is_usable = report.attempt(slot_subject, [&] {
    if (!slot) {
      slot = sync::require_slot(connection, config, database, choice, positions);  // throws, with the SQL
    }
    if (end) {
      sync::require_readable(connection, config, *slot, *end, positions);
    }
    if (may_replicate && !positions.empty()) {
      sync::require_in_history(config.server, database, pg::current_timeline(config.server, database),
                               positions);
    }
  });
  if (!is_usable) {
    return without_updates;
  }
  if (const auto warning = sync::slot_warning(*slot)) {
    report.warning(slot_subject, *warning);
  } else {
    report.ok(slot_subject, sync::describe_slot(*slot));
  }
  return without_updates;
}

}  // namespace tap::check
