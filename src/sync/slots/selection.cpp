// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cctype>

#include <spdlog/fmt/fmt.h>

#include <tap/base/log.hpp>
#include <tap/base/signals.hpp>
#include <tap/sync/slots/publications.hpp>
#include <tap/sync/slots/selection.hpp>
#include <tap/sync/slots/server_requirements.hpp>

#include "loss.hpp"
#include "slot_remedies.hpp"
#include "sync/bookmark_lsn.hpp"

namespace tap::sync {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kSlotTimeout{5000};  // how long to wait for a slot that is in use
constexpr milliseconds kSlotPoll{100};
constexpr std::string_view kMigrationSuffix = "_pgoutput";
constexpr std::string_view kDuplicateObject = "42710";

// $1: a name, $2: the plugin that a slot of this name should have.
constexpr const char* kRoom = R"sql(
SELECT coalesce(pg_catalog.bool_or(slot_name = $1 AND (slot_type = 'physical' OR plugin <> $2
                                                       OR database <> pg_catalog.current_database())), false)
         AS is_taken,
       pg_catalog.count(*) AS used, pg_catalog.current_setting('max_replication_slots')::bigint AS most
  FROM pg_catalog.pg_replication_slots
)sql";

[[noreturn]] void fail(const Problem& problem) {
  throw Error(ExitCode::log_based_unprepared, problem);
}

/// Replaces characters that the name of a slot cannot have: anything but a-z, 0-9 and underscores.
std::string to_slot_name(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) {
    return std::isalnum(c) != 0 && c < 0x80 ? static_cast<char>(std::tolower(c)) : '_';
  });
  return text;
}

/// As the server does with names that are too long.
std::string cut(std::string_view name, std::size_t longest = 63) {
  return std::string(name.substr(0, longest));
}

/// The slot of pgoutput that replaces the slot `name` of wal2json.
std::string migration_name(const std::string& name) {
  return cut(name, 63 - kMigrationSuffix.size()) + std::string(kMigrationSuffix);
}

/// The names that a slot may have: next to a slot of wal2json, the one that will replace it.
std::vector<std::string> all_slot_names(const config::Config& config, const std::string& database) {
  std::vector<std::string> names;
  for (const std::string& name : slot_names(config, database)) {
    names.push_back(name);
    names.push_back(migration_name(name));
  }
  return names;
}

bool is_allowed(std::string_view plugin, const config::LogSettings& settings) {
  using Plugin = config::LogSettings::Plugin;
  return (plugin == kPgoutput && settings.plugin != Plugin::wal2json) ||
         (plugin == kWal2json && settings.plugin != Plugin::pgoutput);
}

/// The slot may stay, and another one be created next to it.
bool is_replaceable(const pg::Slot& slot, const config::LogSettings& settings) {
  return slot.plugin == kWal2json && plugin_to_create(settings) == kPgoutput;
}

[[noreturn]] void refuse_slot(pg::Connection& connection, const pg::Slot& slot, const std::string& database,
                              const config::LogSettings& settings) {
  const auto create = [&](const std::string& name, std::string_view with) {
    return pg::create_slot_statement(new_slot(connection, settings, name, with));
  };
  const std::string_view plugin = plugin_to_create(settings);
  if (slot.database != database) {
    fail({fmt::format("replication slot {} belongs to database {}, not {}", slot.name, slot.database,
                      database),
          fmt::format("a slot reads one database; set replication_slot to a slot of {}, or create one",
                      database),
          create("stitch_" + to_slot_name(database), plugin)});
  }
  fail({fmt::format("replication slot {} uses the plugin {}, not {}", slot.name, slot.plugin, plugin),
        "set replication_slot to another slot, or create one",
        create(fmt::format("{}_{}", slot.name, plugin), plugin)});
}

/// True if the slot has a plugin that may be used, and is of this database. Throws if it is not, but was
/// requested by name.
bool is_usable(pg::Connection& connection, const pg::Slot& slot, const std::string& database,
               const config::LogSettings& settings) {
  if (is_allowed(slot.plugin, settings) && slot.database == database) {
    return true;
  }
  if (slot.name == settings.slot && (slot.database != database || !is_replaceable(slot, settings))) {
    refuse_slot(connection, slot, database, settings);
  }
  return false;
}

void require_not_lost(pg::Connection& connection, const config::Config& config, const pg::Slot& slot) {
  if (slot.is_lost()) {
    fail({fmt::format("replication slot {} is lost", slot.name), loss_of(slot).cause,
          lost_slot_advice(connection, config.log, slot)});
  }
}

/// A standby reads its own slots, but not those that it copies from the primary.
void require_not_copy(const pg::Slot& slot) {
  if (slot.is_copy) {
    fail({fmt::format("replication slot {} is copied from the primary, and this server is a standby",
                      slot.name),
          "set host to the primary or promote the standby, or set replication_slot to a slot of the standby",
          pg::create_slot_statement({slot.name + "_standby", slot.plugin})});
  }
}

/// A transaction that is prepared may still be rolled back. The slots of wal2json do not send it earlier.
void require_single_phase(pg::Connection& connection, const config::Config& config, const pg::Slot& slot) {
  if (slot.is_two_phase && slot.plugin == kPgoutput) {
    fail({fmt::format("replication slot {} was created with two_phase: it sends prepared transactions before "
                      "they are committed",
                      slot.name),
          drop_and_recreate_advice(replacement_of(connection, config.log, slot))});
  }
}

/// The server can have no slot with another name.
void require_valid_name(const std::string& name) {
  const auto is_allowed = [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  };
  if (!std::ranges::all_of(name, is_allowed)) {
    fail({fmt::format("replication_slot {} is not a name of a replication slot", name),
          "use only lower-case letters a to z, digits and underscores"});
  }
}

/// A slot has no position while its creation waits for open transactions. Waits for a moment.
void require_created(pg::Connection& connection, pg::Slot& slot) {
  for (milliseconds waited{0}; slot.active && slot.confirmed_flush == Lsn(); waited += kSlotPoll) {
    if (waited < kSlotTimeout) {
      signals::sleep_for(kSlotPoll);
      slot = pg::find_slot(connection, slot.name).value_or(slot);
      continue;
    }
    fail({fmt::format("replication slot {} is being created by PID {}, which waits for open transactions to "
                      "end",
                      slot.name, slot.active_pid),
          "run again once it exists, or stop its creation",
          "SELECT pg_terminate_backend(" + slot.active_pid + ")"});
  }
}

void require_positions(const pg::Slot& slot, Lsn end, const std::vector<StreamPosition>& positions) {
  for (const auto& [stream, lsn, is_recorded, timeline] : positions) {
    if (lsn > end) {
      fail({fmt::format("the state of stream {} is at {}, but the server's WAL ends at {}", stream,
                        to_text(lsn), to_text(end)),
            fmt::format("this is another server, it was restored from a backup, or it was promoted without "
                        "these changes; restart the stream with "
                        "--full-refresh {}",
                        stream)});
    }
  }
  require_not_past(slot, positions);
}

}  // namespace

std::vector<StreamPosition> positions(const std::vector<const StreamPlan*>& streams, singer::State& state) {
  std::vector<StreamPosition> known;
  for (const StreamPlan* stream : streams) {
    const Json& bookmark = state.bookmark(stream->stream.id);
    if (const auto lsn = oldest_needed_lsn(bookmark)) {
      known.push_back(
          {stream->stream.id, *lsn, bookmark.contains(kPublicationsKey), bookmark_timeline(bookmark)});
    }
  }
  return known;
}

void require_not_past(const pg::Slot& slot, const std::vector<StreamPosition>& positions) {
  for (const auto& [stream, lsn, is_recorded, timeline] : positions) {
    if (lsn < slot.confirmed_flush) {
      fail({fmt::format("the state of stream {} is at {}, but replication slot {} has advanced to {} "
                        "(it was recreated, or read without this stream)",
                        stream, to_text(lsn), slot.name, to_text(slot.confirmed_flush)),
            fmt::format("the changes in between are lost; restart the stream with --full-refresh {}",
                        stream)});
    }
  }
}

std::vector<std::string> slot_names(const config::Config& config, const std::string& database) {
  if (!config.log.slot.empty()) {
    return {cut(config.log.slot)};
  }
  const std::string name = to_slot_name(database);
  if (!config.log.tap_id.empty()) {  // pipelinewise
    return {cut("pipelinewise_" + name), cut("pipelinewise_" + name + "_" + to_slot_name(config.log.tap_id))};
  }
  return {cut("stitch_" + name), "stitch"};
}

std::vector<pg::Slot> usable_slots(pg::Connection& connection, const config::Config& config,
                                   const std::string& database) {
  const std::vector<pg::Slot> slots = pg::logical_slots(connection);
  std::vector<pg::Slot> usable;
  for (const std::string& name : all_slot_names(config, database)) {
    const auto slot = std::ranges::find(slots, name, &pg::Slot::name);
    if (slot != slots.end() && is_usable(connection, *slot, database, config.log)) {
      usable.push_back(*slot);
    }
  }
  return usable;
}

SlotChoice choose_slot(pg::Connection& connection, const config::Config& config, const std::string& database,
                       const std::vector<StreamPosition>& positions) {
  require_valid_name(config.log.slot);
  std::optional<pg::Slot> pgoutput;
  std::optional<pg::Slot> wal2json;
  for (const pg::Slot& slot : usable_slots(connection, config, database)) {
    auto& found = slot.plugin == kPgoutput ? pgoutput : wal2json;
    found = found ? found : slot;
  }
  const auto is_reached = [&](const StreamPosition& position) {
    return position.lsn >= pgoutput->confirmed_flush;
  };
  const bool are_recorded = std::ranges::all_of(positions, &StreamPosition::has_publications);
  SlotChoice choice;
  if (!pgoutput || !wal2json) {
    choice.slot = pgoutput ? pgoutput : wal2json;
  } else if (!std::ranges::all_of(positions, is_reached)) {
    choice.slot = wal2json;
    choice.migration =
        fmt::format("reading replication slot {} until the state reaches {}; from then on slot {} is read",
                    wal2json->name, to_text(pgoutput->confirmed_flush), pgoutput->name);
  } else if (!are_recorded && !wal2json->is_lost()) {
    choice.slot = wal2json;
    choice.migration = fmt::format(
        "reading replication slot {} until the state records which tables are published; from then on slot "
        "{} is read",
        wal2json->name, pgoutput->name);
  } else {
    choice.slot = pgoutput;
    choice.migration = fmt::format("replication slot {} replaces slot {}, which retains WAL: drop it with {}",
                                   pgoutput->name, wal2json->name, pg::drop_slot_statement(wal2json->name));
  }
  if (choice.slot) {
    require_created(connection, *choice.slot);
    require_not_copy(*choice.slot);
    require_single_phase(connection, config, *choice.slot);
    require_not_lost(connection, config, *choice.slot);
    return choice;
  }
  for (const std::string& name : slot_names(config, database)) {
    const auto taken = pg::find_slot(connection, name);
    if (taken && taken->database == database && !is_replaceable(*taken, config.log)) {
      refuse_slot(connection, *taken, database, config.log);
    }
  }
  return choice;
}

std::string slot_to_create(pg::Connection& connection, const config::Config& config,
                           const std::string& database) {
  std::string name = slot_names(config, database).front();
  const auto slot = pg::find_slot(connection, name);
  const bool is_taken = slot && is_replaceable(*slot, config.log);
  return is_taken ? migration_name(name) : name;
}

void require_room_for_slot(pg::Connection& connection, const std::string& name, std::string_view plugin) {
  const pg::Result rows = connection.query(kRoom, {name, std::string(plugin)});
  const pg::Row row = rows.first();
  if (row.flag("is_taken")) {
    fail({fmt::format("replication slot {} exists already", name),
          "it is a physical slot, or belongs to another plugin or database: set replication_slot to another "
          "name"});
  }
  if (row.number("used") >= row.number("most")) {
    fail({fmt::format("all {} replication slots are in use", row.number("most")),
          "raise max_replication_slots, or drop a slot that is not in use"});
  }
}

pg::Slot require_slot(pg::Connection& connection, const config::Config& config, const std::string& database,
                      const SlotChoice& choice, const std::vector<StreamPosition>& positions) {
  if (!choice.migration.empty()) {
    log::info("{}", choice.migration);
  }
  if (choice.slot) {
    return *choice.slot;
  }
  const std::string name = slot_to_create(connection, config, database);
  const std::string_view plugin = plugin_to_create(config.log);
  const pg::NewSlot created = new_slot(connection, config.log, name, plugin);
  if (!config.log.create_slot) {
    std::vector<std::string> names = slot_names(config, database);
    names.front() = name;
    const std::string found = fmt::format("no replication slot {} with {} in database {}",
                                          fmt::join(names, " or "), plugin, database);
    if (!positions.empty()) {
      fail({found + ", which the state needs",
            "it was dropped, or this server was promoted without a copy of it", recreate_advice(created)});
    }
    fail({found, "",
          fmt::format("create it with {} or set create_replication_slot to true",
                      pg::create_slot_statement(created))});
  }
  const pg::DecodingStatus status = pg::decoding_status(connection);
  require_failover_support(status, config);
  log::info("creating replication slot {}: this waits for {}", name,
            status.in_recovery
                ? "the primary to write a snapshot of its transactions; to speed it up, run SELECT "
                  "pg_log_standby_snapshot() there"
                : "open transactions to end");
  try {
    pg::create_slot(connection, created);
  } catch (const pg::ServerError& error) {
    const auto found = pg::find_slot(connection, name);
    if (error.sqlstate() == kDuplicateObject && found && found->plugin == plugin &&
        found->database == database) {
      // Tables that this run has published since the other one began are not certain to be in the slot.
      throw pg::TransientError(
          ExitCode::log_based_unprepared,
          fmt::format("another process has just created replication slot {}; run again", name));
    }
    throw_slot_error(connection, config.log, error, name, plugin);
  }
  return pg::find_slot(connection, name).value();
}

void require_readable(pg::Connection& connection, const config::Config& config, pg::Slot slot, Lsn end,
                      const std::vector<StreamPosition>& positions) {
  for (milliseconds waited{0}; slot.active; waited += kSlotPoll) {
    if (waited >= kSlotTimeout) {
      fail({fmt::format("replication slot {} is in use by PID {}{}", slot.name, slot.active_pid,
                        slot.application.empty() ? "" : fmt::format(" (application {})", slot.application)),
            "two runs must not read one slot", stop_reader_advice(slot.active_pid)});
    }
    signals::sleep_for(kSlotPoll);
    auto found = pg::find_slot(connection, slot.name);
    if (!found) {
      fail({fmt::format("replication slot {} has been dropped", slot.name), "",
            fmt::format("create it with {} and restart the log-based streams with --full-refresh",
                        pg::create_slot_statement(replacement_of(connection, config.log, slot)))});
    }
    slot = std::move(*found);
  }
  require_not_lost(connection, config, slot);
  require_positions(slot, end, positions);
}

}  // namespace tap::sync
