// SPDX-License-Identifier: Apache-2.0
#include "slot_remedies.hpp"

#include <spdlog/fmt/fmt.h>

#include <tap/base/error.hpp>
#include <tap/sync/slots/selection.hpp>
#include <tap/sync/slots/server_requirements.hpp>

#include "loss.hpp"

namespace tap::sync {

pg::NewSlot new_slot(pg::Connection& connection, const config::LogSettings& settings, const std::string& name,
                     std::string_view plugin) {
  const bool is_failover = settings.failover_slot && connection.version().has_failover_slots() &&
                           !pg::decoding_status(connection).in_recovery;
  return {name, std::string(plugin), is_failover};
}

pg::NewSlot replacement_of(pg::Connection& connection, const config::LogSettings& settings,
                           const pg::Slot& slot) {
  pg::NewSlot replacement = new_slot(connection, settings, slot.name, slot.plugin);
  replacement.is_failover = replacement.is_failover || slot.is_failover;
  return replacement;
}

std::string recreate_advice(const pg::NewSlot& slot) {
  return fmt::format("create it again with {}, then run with --full-refresh",
                     pg::create_slot_statement(slot));
}

std::string drop_and_recreate_advice(const pg::NewSlot& slot) {
  return fmt::format("drop it with {}, {}", pg::drop_slot_statement(slot.name), recreate_advice(slot));
}

std::string lost_slot_advice(pg::Connection& connection, const config::LogSettings& settings,
                             const pg::Slot& slot) {
  const std::string prevention = loss_of(slot).prevention;
  return drop_and_recreate_advice(replacement_of(connection, settings, slot)) +
         (prevention.empty() ? "" : fmt::format("; to prevent this, {}", prevention));
}

std::string stop_reader_advice(const std::string& pid) {
  return fmt::format("wait for that process to finish, or stop it with SELECT pg_terminate_backend({})", pid);
}

void throw_slot_error(pg::Connection& connection, const config::LogSettings& settings,
                      const pg::ServerError& error, const std::string& slot, std::string_view plugin) {
  const Problem found{
      fmt::format("replication slot {} ({}): {}", slot, connection.description(), error.what())};
  const std::string& sqlstate = error.sqlstate();
  const bool is_about_plugin = std::string_view(error.what()).find(plugin) != std::string_view::npos;
  if (sqlstate == "42501" && is_about_plugin) {
    throw Error(ExitCode::log_based_unprepared, plugin_not_allowed(connection, found.found, plugin));
  }
  std::string remedy = "run again; if the error persists, see the server's log";
  if (sqlstate == "42501") {
    remedy =
        "give the role the right to replicate: ALTER ROLE ... REPLICATION (Amazon RDS and Aurora: GRANT "
        "rds_replication TO ...)";
  } else if (sqlstate == "58P01" && is_about_plugin && plugin == kWal2json) {
    remedy = "install the plugin on the server (Debian: postgresql-<version>-wal2json)";
  } else if (sqlstate == "58P01") {
    const auto lost = pg::find_slot(connection, slot);
    remedy = lost && lost->is_lost()
                 ? fmt::format("{}: {}", loss_of(*lost).cause, lost_slot_advice(connection, settings, *lost))
                 : drop_and_recreate_advice(new_slot(connection, settings, slot, plugin));
  } else if (sqlstate == "53400") {
    remedy = "raise max_replication_slots, or drop a slot that is not in use";
  } else if (sqlstate == "55006") {
    remedy = stop_reader_advice("...");
  } else if (sqlstate == "42710") {
    remedy =
        "it is a physical slot, or belongs to another plugin or database: set replication_slot to another "
        "name";
  } else if (sqlstate == "42704") {
    remedy =
        fmt::format("it has been dropped: {}", recreate_advice(new_slot(connection, settings, slot, plugin)));
  } else if (sqlstate == "55000") {
    if (const auto lost = pg::find_slot(connection, slot); lost && lost->is_lost()) {
      remedy = fmt::format("{}: {}", loss_of(*lost).cause, lost_slot_advice(connection, settings, *lost));
    } else if (std::string_view(error.what()).find("on the primary") != std::string_view::npos) {
      remedy = "on the primary, run ALTER SYSTEM SET wal_level = 'logical', then restart it";
    }
  } else if (sqlstate == "22023") {
    remedy = "the plugin is too old for this tap: install a newer wal2json";
  }
  if (sqlstate == "55006") {  // perhaps by an earlier run that is about to end
    throw pg::TransientError(ExitCode::log_based_unprepared, to_text(Problem{found.found, remedy}), sqlstate);
  }
  throw Error(ExitCode::log_based_unprepared, Problem{found.found, remedy});
}

}  // namespace tap::sync
