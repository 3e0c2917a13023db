// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cctype>

#include <spdlog/fmt/fmt.h>

#include <tap/base/log.hpp>
#include <tap/base/signals.hpp>
#include <tap/pg/quote.hpp>
#include <tap/sync/slots/selection.hpp>

#include "loss.hpp"
#include "sync/bookmark_lsn.hpp"

namespace tap::sync {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPatience{5000};  // with who reads the slot
constexpr milliseconds kLookAgain{100};

[[noreturn]] void unprepared(const Problem& problem) {
  throw Error(ExitCode::log_based_unprepared, problem);
}

/// A slot's name has lower-case letters, digits and underscores only.
std::string as_slot_name(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) {
    return std::isalnum(c) != 0 && c < 0x80 ? static_cast<char>(std::tolower(c)) : '_';
  });
  return text;
}

std::string create_statement(const std::string& slot) {
  return fmt::format("SELECT pg_create_logical_replication_slot({}, '{}')", pg::quote_literal(slot), kPlugin);
}

std::string either(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    text += (text.empty() ? "" : " or ") + name;
  }
  return text;
}

/// Whether the slot can serve the database at all; says why not, if it was asked for by name.
bool fits(const pg::Slot& slot, const std::string& database, bool by_name) {
  if (slot.plugin == kPlugin && slot.database == database) {
    return true;
  }
  if (by_name && slot.database != database) {
    unprepared(
        {fmt::format("replication slot {} is of database {}, not {}", slot.name, slot.database, database),
         fmt::format("a slot reads one database; name another by replication_slot, or create it in {}",
                     database),
         create_statement("stitch_" + as_slot_name(database))});
  }
  if (by_name) {
    unprepared(
        {fmt::format("replication slot {} uses the plugin {}, not {}", slot.name, slot.plugin, kPlugin),
         "name another by replication_slot, or make one", create_statement(slot.name + "_" + kPlugin)});
  }
  return false;
}

std::string made_anew(const std::string& slot) {
  return fmt::format("create it again with {}, then run a full refresh with --full-refresh",
                     create_statement(slot));
}

std::string recreate_remedy(const std::string& slot) {
  return fmt::format("drop it with SELECT pg_drop_replication_slot({}), {}", pg::quote_literal(slot),
                     made_anew(slot));
}

std::string remedy_of(const pg::Slot& slot) {
  const std::string prevention = loss_of(slot).prevention;
  return recreate_remedy(slot.name) +
         (prevention.empty() ? "" : fmt::format("; to prevent this, {}", prevention));
}

void require_not_lost(const pg::Slot& slot) {
  if (slot.is_lost()) {
    unprepared({fmt::format("replication slot {} is lost", slot.name), loss_of(slot).cause, remedy_of(slot)});
  }
}

void require_positions(const pg::Slot& slot, Lsn end, const std::vector<StreamPosition>& positions) {
  for (const auto& [stream, lsn] : positions) {
    if (lsn > end) {
      unprepared(
          {fmt::format("the state of stream {} is at {}, but the server's log ends at {}", stream,
                       to_text(lsn), to_text(end)),
           fmt::format("it is another server, or one that was restored from a backup; sync the stream anew "
                       "with --full-refresh {}",
                       stream)});
    }
  }
  require_not_past(slot, positions);
}

}  // namespace

std::vector<StreamPosition> positions(const std::vector<const StreamPlan*>& streams, singer::State& state) {
  std::vector<StreamPosition> known;
  for (const StreamPlan* stream : streams) {
    if (const auto lsn = oldest_needed_lsn(state.bookmark(stream->stream.id))) {
      known.push_back({stream->stream.id, *lsn});
    }
  }
  return known;
}

void require_not_past(const pg::Slot& slot, const std::vector<StreamPosition>& positions) {
  for (const auto& [stream, lsn] : positions) {
    if (lsn < slot.confirmed_flush) {
      unprepared(
          {fmt::format("the state of stream {} is at {}, but replication slot {} has moved on to {} "
                       "(made anew, or read by somebody else)",
                       stream, to_text(lsn), slot.name, to_text(slot.confirmed_flush)),
           fmt::format("the changes between are gone; sync the stream anew with --full-refresh {}", stream)});
    }
  }
}

std::vector<std::string> slot_names(const config::Config& config, const std::string& database) {
  if (!config.log.slot.empty()) {
    return {config.log.slot};
  }
  const std::string name = as_slot_name(database);
  if (!config.log.tap_id.empty()) {  // pipelinewise
    return {"pipelinewise_" + name, "pipelinewise_" + name + "_" + as_slot_name(config.log.tap_id)};
  }
  return {"stitch_" + name, "stitch"};
}

void require_log_based_version(pg::ServerVersion version) {
  if (version < pg::kOldestForLogBased) {
    unprepared({fmt::format("log-based replication needs PostgreSQL {} or later, the server has {}",
                            pg::kOldestForLogBased.text(), version.text()),
                "upgrade the server, or use FULL_TABLE or INCREMENTAL"});
  }
}

void require_logical_log(const pg::DecodingStatus& status) {
  require_log_based_version(status.version);
  if (status.in_recovery) {
    unprepared({"log-based replication reads the primary, but this server is a standby",
                "set host to the primary's (Aurora: the cluster's writer endpoint)"});
  }
  if (!status.has_logical_decoding) {
    unprepared(
        {fmt::format("log-based replication needs wal_level=logical, the server has {}", status.wal_level),
         "",
         status.is_rds ? "set rds.logical_replication to 1 in its parameter group and reboot it"
                       : "ALTER SYSTEM SET wal_level = 'logical', then restart it"});
  }
}

void require_primary(pg::Connection& connection) {
  const pg::Result row = connection.query("SELECT pg_catalog.pg_is_in_recovery() AS in_recovery");
  if (row.flag(0, 0)) {
    throw pg::TransientError(ExitCode::log_based_unprepared,
                             fmt::format("the server ({}) is a standby now, and log-based replication reads "
                                         "the primary",
                                         connection.description()));
  }
}

void require_right_to_replicate(const pg::DecodingStatus& status, const config::Config& config,
                                const std::string& database) {
  if (status.has_replication) {
    return;
  }
  try {
    pg::try_replication(config.server, database);
  } catch (const pg::DatabaseError& refused) {
    const std::string role = pg::quote_identifier(status.role);
    unprepared({refused.what(), "give the role the right to replicate",
                status.is_rds ? fmt::format("GRANT rds_replication TO {}", role)
                              : fmt::format("ALTER ROLE {} REPLICATION", role)});
  }
}

std::optional<pg::Slot> choose_slot(pg::Connection& connection, const config::Config& config,
                                    const std::string& database) {
  const std::vector<std::string> names = slot_names(config, database);
  for (const std::string& name : names) {
    if (auto slot = pg::find_slot(connection, name);
        slot && fits(*slot, database, !config.log.slot.empty())) {
      require_not_lost(*slot);
      return slot;
    }
  }
  for (const std::string& name : names) {
    if (const auto taken = pg::find_slot(connection, name); taken && taken->database == database) {
      fits(*taken, database, true);  // says why it does not
    }
  }
  return std::nullopt;
}

pg::Slot require_slot(pg::Connection& connection, const config::Config& config, const std::string& database) {
  if (const auto slot = choose_slot(connection, config, database)) {
    return *slot;
  }
  const std::vector<std::string> names = slot_names(config, database);
  if (!config.log.create_slot) {
    unprepared(
        {fmt::format("no replication slot {} with {} in database {}", either(names), kPlugin, database), "",
         fmt::format("create it with {} or set create_replication_slot to true",
                     create_statement(names.front()))});
  }
  log::info("creating replication slot {}: this waits for transactions that are open", names.front());
  try {
    pg::create_slot(connection, names.front(), kPlugin);
  } catch (const pg::ServerError& error) {
    refuse_slot(connection, error, names.front());
  }
  return pg::find_slot(connection, names.front()).value();
}

void require_readable(pg::Connection& connection, const std::string& name, Lsn end,
                      const std::vector<StreamPosition>& positions) {
  for (milliseconds waited{0};; waited += kLookAgain) {
    const auto slot = pg::find_slot(connection, name);
    if (!slot) {
      unprepared({fmt::format("replication slot {} has been dropped", name), "",
                  fmt::format("create it with {} and sync the log-based streams anew with --full-refresh",
                              create_statement(name))});
    }
    require_not_lost(*slot);
    if (!slot->active) {
      require_positions(*slot, end, positions);
      return;
    }
    if (waited >= kPatience) {
      unprepared(
          {fmt::format("replication slot {} is in use by PID {}{}", name, slot->active_pid,
                       slot->application.empty() ? "" : fmt::format(" (application {})", slot->application)),
           "two runs must not read one slot",
           fmt::format("wait for the other to end, or end it with SELECT pg_terminate_backend({})",
                       slot->active_pid)});
    }
    signals::sleep_for(kLookAgain);
  }
}

void require_standby(const pg::Connection& connection, const pg::DecodingStatus& status) {
  if (!status.in_recovery) {
    unprepared({fmt::format("the server of secondary_host ({}) is no standby", connection.description()),
                "name one, or set use_secondary to false"});
  }
}

Problem plugin_not_allowed(pg::Connection& connection, const std::string& found) {
  if (pg::decoding_status(connection).is_rds) {
    return {found, "add wal2json to output_plugin_libraries in its parameter group"};
  }
  std::string list = "<what SHOW output_plugin_libraries says>, ";
  try {
    const auto allowed = pg::allowed_plugins(connection).value_or(std::vector<std::string>());
    list.clear();
    for (const std::string& plugin : allowed) {
      list += pg::quote_literal(plugin) + ", ";
    }
  } catch (const pg::ServerError&) {  // administrators only
  }
  return {found, "add wal2json to the setting output_plugin_libraries",
          fmt::format("ALTER SYSTEM SET output_plugin_libraries = {}'{}', then SELECT pg_reload_conf()", list,
                      kPlugin)};
}

void refuse_slot(pg::Connection& connection, const pg::ServerError& error, const std::string& slot) {
  const Problem found{
      fmt::format("replication slot {} ({}): {}", slot, connection.description(), error.what())};
  const std::string& sqlstate = error.sqlstate();
  const bool is_of_plugin = std::string_view(error.what()).find(kPlugin) != std::string_view::npos;
  if (sqlstate == "42501" && is_of_plugin) {
    unprepared(plugin_not_allowed(connection, found.found));
  }
  std::string remedy = "run it again; if it stays so, the server's log says more";
  if (sqlstate == "42501") {
    remedy =
        "give the role the right to replicate: ALTER ROLE ... REPLICATION (Amazon RDS and Aurora: GRANT "
        "rds_replication TO ...)";
  } else if (sqlstate == "58P01" && is_of_plugin) {
    remedy = "install the plugin on the server (Debian: postgresql-<version>-wal2json)";
  } else if (sqlstate == "58P01") {
    const auto lost = pg::find_slot(connection, slot);
    remedy = lost && lost->is_lost() ? fmt::format("{}: {}", loss_of(*lost).cause, remedy_of(*lost))
                                     : recreate_remedy(slot);
  } else if (sqlstate == "53400") {
    remedy = "raise max_replication_slots, or drop a slot that nobody reads";
  } else if (sqlstate == "55006") {
    remedy = "wait for who reads it to end, or end it with SELECT pg_terminate_backend(...)";
  } else if (sqlstate == "42710") {
    remedy = "it is a physical slot, or of another plugin or database: name another by replication_slot";
  } else if (sqlstate == "42704") {
    remedy = fmt::format("it has been dropped: {}", made_anew(slot));
  } else if (sqlstate == "55000") {
    if (const auto lost = pg::find_slot(connection, slot); lost && lost->is_lost()) {
      remedy = fmt::format("{}: {}", loss_of(*lost).cause, remedy_of(*lost));
    }
  } else if (sqlstate == "22023") {
    remedy = "the plugin is too old for this tap: install a newer wal2json";
  }
  if (sqlstate == "55006") {  // it may be a run of ours that is not over yet
    throw pg::TransientError(ExitCode::log_based_unprepared, to_text(Problem{found.found, remedy}), sqlstate);
  }
  unprepared({found.found, remedy});
}

}  // namespace tap::sync
