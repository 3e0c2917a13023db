// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>

#include <spdlog/fmt/fmt.h>

#include <tap/base/log.hpp>
#include <tap/base/output.hpp>
#include <tap/base/text.hpp>
#include <tap/pg/catalog/slots.hpp>
#include <tap/pg/replication_stream.hpp>
#include <tap/singer/catalog.hpp>
#include <tap/sync/plan.hpp>
#include <tap/sync/slots/commands.hpp>
#include <tap/sync/slots/publications.hpp>
#include <tap/sync/slots/selection.hpp>
#include <tap/sync/slots/server_requirements.hpp>

#include "loss.hpp"
#include "slot_remedies.hpp"
#include "sync/bookmark_lsn.hpp"

namespace tap::sync {

namespace {

constexpr std::int64_t kRetainedWarning = std::int64_t{10} << 30U;  // bytes of WAL

std::string megabytes(std::int64_t bytes) {
  return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
}

/// True if a stream's id begins with the name of a database other than `ours`. Ids without a database are
/// those of taps that sync one database.
bool is_of_other_database(const std::string& stream, const std::vector<std::string>& databases,
                          const std::string& ours) {
  const auto is_of = [&](const std::string& database) { return stream.starts_with(database + "-"); };
  return !is_of(ours) && std::ranges::any_of(databases, is_of);
}

/// The oldest WAL that the log-based streams of a database need.
std::optional<Lsn> oldest_position(const singer::State& state, const std::vector<std::string>& databases,
                                   const std::string& ours) {
  constexpr std::string_view log_based = singer::method_name(singer::ReplicationMethod::log_based);
  std::optional<Lsn> oldest;
  for (const auto& [stream, bookmark] : state.document()["bookmarks"].items()) {
    const auto lsn = oldest_needed_lsn(bookmark);
    const bool is_log_based = bookmark.value("last_replication_method", Json(log_based)) == log_based;
    if (lsn && is_log_based && !is_of_other_database(stream, databases, ours)) {
      oldest = oldest ? std::min(*oldest, *lsn) : *lsn;
    }
  }
  return oldest;
}

/// Connects to the primary. Throws if its version does not support log-based replication.
pg::Connection connect(const config::Config& config) {
  pg::Connection connection(pg::primary_of(config.server), config.server.database());
  require_log_based_version(connection.version());
  return connection;
}

/// 0 if the slot has been dropped.
Lsn confirmed_flush_of(pg::Connection& connection, const std::string& name) {
  const auto slot = pg::find_slot(connection, name);
  return slot ? slot->confirmed_flush : Lsn();
}

/// The existing slot of the config's database that a run reads from `positions` on.
pg::Slot existing_slot(pg::Connection& connection, config::Config config,
                       const std::vector<StreamPosition>& positions) {
  config.log.create_slot = false;
  const std::string database = config.server.database();
  return require_slot(connection, config, database, choose_slot(connection, config, database, positions),
                      positions);
}

/// The log-based streams of the config's database in the catalog.
std::vector<StreamPlan> log_based_streams(const config::Config& config, const std::string& catalog,
                                          singer::State& state) {
  std::vector<StreamPlan> streams = plan(config, singer::load_catalog(catalog).streams, {}, state);
  std::erase_if(streams, [&](const StreamPlan& stream) {
    return stream.method != singer::ReplicationMethod::log_based ||
           stream.database != config.server.database();
  });
  if (streams.empty()) {
    throw Error(ExitCode::usage, fmt::format("{}: no LOG_BASED stream of database {} is selected", catalog,
                                             config.server.database()));
  }
  return streams;
}

/// Creates the publications that a slot of pgoutput needs, or throws. `slot` is the existing one.
void prepare_publications(pg::Connection& connection, const config::Config& config, const SlotFiles& files,
                          const std::optional<pg::Slot>& slot) {
  singer::State state = files.state ? singer::load_state(*files.state) : singer::State();
  std::vector<StreamPlan> plans;
  if (files.catalog) {
    plans = log_based_streams(config, *files.catalog, state);
  }
  std::vector<const StreamPlan*> pointers;
  pointers.reserve(plans.size());
  for (const StreamPlan& stream : plans) {
    pointers.push_back(&stream);
  }
  std::vector<StreamToPublish> streams = streams_to_publish(pointers, state);
  for (StreamToPublish& stream : streams) {
    stream.has_position = stream.has_position || !files.state;  // it may have one
  }
  const PublicationsToRead found = require_publications(connection, config, config.server.database(), streams,
                                                        slot ? std::optional(slot->name) : std::nullopt);
  if (!found.stream_errors.empty()) {
    throw Error(ExitCode::log_based_unprepared, found.stream_errors.front().problem);
  }
}

/// Moves the slot forward to `position`.
void advance(pg::Connection& connection, const config::Config& config, const pg::Slot& slot, Lsn position) {
  if (slot.plugin == kPgoutput && connection.version().can_advance_slots()) {
    pg::advance_slot(connection, slot.name, position);  // pgoutput itself would need its publications
    return;
  }
  // Every version can advance a slot by reading it. The changes received meanwhile are ignored.
  const auto options = slot.plugin == kPgoutput ? pg::pgoutput_options(config.log.publications, false)
                                                : pg::ReplicationStream::Options();
  pg::ReplicationStream stream(config.server, config.server.database(), slot.name, position, options);
  stream.set_confirmed(confirmed_flush_of(connection, slot.name));
  stream.set_flushed(position);
  stream.request_keepalive();
  try {
    while (stream.next(std::chrono::seconds(1)) == pg::ReplicationStream::Event::message ||
           confirmed_flush_of(connection, slot.name) < position) {
    }
  } catch (const pg::ServerError& error) {
    constexpr const char* undefined_object = "42704";
    if (slot.plugin != kPgoutput || error.sqlstate() != undefined_object) {
      throw;
    }
    throw Error(ExitCode::log_based_unprepared,
                fmt::format("{}: before PostgreSQL 11, acknowledging reads replication slot {} with its "
                            "publications; set publication_name to those that it is read with",
                            error.what(), slot.name));
  }
  stream.finish();
}

}  // namespace

std::string describe_slot(const pg::Slot& slot) {
  return fmt::format(
      "plugin {}, database {}, {}, confirmed {}, restart {}, keeps {}{}{}", slot.plugin, slot.database,
      slot.active ? fmt::format("read by PID {}{}", slot.active_pid,
                                slot.application.empty() ? "" : " (" + slot.application + ")")
                  : "not read",
      to_text(slot.confirmed_flush), to_text(slot.restart), megabytes(slot.retained.value_or(0)),
      slot.wal_status.empty()
          ? ""
          : ", wal_status " + slot.wal_status +
                (slot.invalidation_reason.empty() ? "" : " (" + slot.invalidation_reason + ")"),
      slot.safe_wal_size.empty() ? "" : ", safe for " + slot.safe_wal_size + " bytes more");
}

std::optional<Problem> slot_warning(const pg::Slot& slot) {
  if (slot.is_lost()) {
    const SlotLoss loss = loss_of(slot);
    return Problem{fmt::format("replication slot {} is lost", slot.name),
                   fmt::format("{}; drop it and restart its streams with --full-refresh{}", loss.cause,
                               loss.prevention.empty() ? "" : "; to prevent this, " + loss.prevention)};
  }
  if (slot.wal_status == "unreserved") {
    return Problem{fmt::format("replication slot {} is about to be lost", slot.name),
                   "it keeps more WAL than max_slot_wal_keep_size; run the tap, or drop the slot"};
  }
  if (slot.retained.value_or(0) >= kRetainedWarning) {
    return Problem{fmt::format("replication slot {} keeps {} of WAL", slot.name, megabytes(*slot.retained)),
                   "run the tap, acknowledge what the target has with `slot ack`, or drop the slot"};
  }
  return std::nullopt;
}

std::string slot_status(const config::Config& config) {
  pg::Connection connection = connect(config);
  std::string text;
  for (const pg::Slot& slot : pg::logical_slots(connection)) {
    if (const auto warning = slot_warning(slot)) {
      log::warn("{}", to_text(*warning));
    }
    text += to_printable_line(fmt::format("{}: {}", slot.name, describe_slot(slot))) + "\n";
  }
  return text.empty() ? "no logical replication slots\n" : text;
}

void create_slot(const config::Config& config, const SlotFiles& files) {
  pg::Connection connection = connect(config);
  const pg::DecodingStatus status = pg::decoding_status(connection);
  require_logical_decoding(status);
  require_failover_support(status, config);
  const std::string database = config.server.database();
  config::Config creating = config;
  creating.log.create_slot = true;
  if (plugin_to_create(config.log) == kPgoutput) {
    creating.log.plugin = config::LogSettings::Plugin::pgoutput;  // also next to a slot of wal2json
  }
  const SlotChoice choice = choose_slot(connection, creating, database, {});
  if (!choice.slot) {
    require_replication_privilege(status, config, database);  // before publications are created
  }
  if (plugin_to_create(creating.log) == kPgoutput) {
    prepare_publications(connection, creating, files, choice.slot);
  }
  const pg::Slot slot = require_slot(connection, creating, database, choice, {});
  log::info("replication slot {} is ready at {}", slot.name, to_text(slot.confirmed_flush));
}

void drop_slot(const config::Config& config) {
  pg::Connection connection = connect(config);
  const std::string database = config.server.database();
  std::vector<pg::Slot> slots = usable_slots(connection, config, database);
  if (slots.empty()) {
    choose_slot(connection, config, database, {});  // throws if it has another plugin or database
    throw Error(ExitCode::log_based_unprepared,
                fmt::format("no replication slot {} in database {}: there is nothing to drop",
                            fmt::join(slot_names(config, database), " or "), database));
  }
  const auto named = std::ranges::find(slots, config.log.slot, &pg::Slot::name);
  const pg::Slot& slot = named == slots.end() ? slots.front() : *named;
  const auto other = std::ranges::find_if(slots, [&](const auto& s) { return s.plugin != slot.plugin; });
  if (other != slots.end() && named == slots.end()) {
    throw Error(ExitCode::usage, fmt::format("there are two replication slots, {} ({}) and {} ({}); set "
                                             "logical_decoding_plugin to the plugin of the one to drop",
                                             slot.name, slot.plugin, other->name, other->plugin));
  }
  try {
    pg::drop_slot(connection, slot.name);
  } catch (const pg::ServerError& error) {
    if (!pg::find_slot(connection, slot.name)) {
      log::info("another process has dropped replication slot {}", slot.name);
      return;
    }
    throw_slot_error(connection, config.log, error, slot.name, slot.plugin);
  }
  log::info("dropped replication slot {}", slot.name);
}

void acknowledge(const config::Config& config, const singer::State& state) {
  const std::string database = config.server.database();
  pg::Connection connection = connect(config);
  std::vector<std::string> databases;
  const pg::Result names = connection.query("SELECT datname AS name FROM pg_catalog.pg_database");
  for (const pg::Row row : names) {
    databases.push_back(row.text("name"));
  }
  const auto position = oldest_position(state, databases, database);
  if (!position) {
    throw Error(
        ExitCode::usage,
        fmt::format("the state has no log-based stream of database {}: pass the last STATE of a run that "
                    "reads it",
                    database));
  }
  require_replication_privilege(pg::decoding_status(connection), config, database);
  const pg::Slot slot = existing_slot(connection, config, {{"", *position}});
  if (*position < slot.confirmed_flush) {  // some server versions would move it back
    log::info("replication slot {} is already at {}, past the state ({}): nothing to acknowledge", slot.name,
              to_text(slot.confirmed_flush), to_text(*position));
    return;
  }
  const Lsn end = pg::current_wal_lsn(connection);
  require_readable(connection, config, slot, end, {});
  if (*position > end) {
    throw Error(ExitCode::log_based_unprepared,
                fmt::format("the state is at {}, but the server's WAL ends at {}: it belongs to another "
                            "server; pass the state of this one",
                            to_text(*position), to_text(end)));
  }
  try {
    advance(connection, config, slot, *position);
  } catch (const pg::ServerError& error) {
    throw_slot_error(connection, config.log, error, slot.name, slot.plugin);
  }
  const auto now = pg::find_slot(connection, slot.name);
  log::info("replication slot {} is at {}", slot.name, to_text(now ? now->confirmed_flush : *position));
}

void run_slot_command(SlotAction action, const config::Config& config, const SlotFiles& files) {
  switch (action) {
    case SlotAction::status:
      write_stdout(slot_status(config));
      break;
    case SlotAction::create:
      create_slot(config, files);
      break;
    case SlotAction::drop:
      drop_slot(config);
      break;
    case SlotAction::acknowledge:
      acknowledge(config, singer::load_state(files.state.value()));
      break;
  }
}

}  // namespace tap::sync
