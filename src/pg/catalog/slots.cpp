// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>

#include <spdlog/fmt/fmt.h>
#include <unistd.h>

#include <tap/base/text.hpp>
#include <tap/pg/catalog/slots.hpp>
#include <tap/pg/quote.hpp>

#include "pg/connect/conninfo.hpp"

namespace tap::pg {

namespace {

// Columns that only newer servers have are taken from the row's JSON, where they may be absent.
constexpr const char* kSlots = R"sql(
SELECT s.slot_name AS name, s.plugin AS plugin, s.database AS database, s.active AS active,
       s.active_pid AS active_pid, a.application_name AS application,
       s.confirmed_flush_lsn AS confirmed_flush, s.restart_lsn AS restart,
       pg_catalog.to_jsonb(s) ->> 'wal_status' AS wal_status,
       pg_catalog.to_jsonb(s) ->> 'safe_wal_size' AS safe_wal_size,
       pg_catalog.to_jsonb(s) ->> 'invalidation_reason' AS invalidation_reason,
       coalesce((pg_catalog.to_jsonb(s) ->> 'conflicting')::bool, false)
         AND pg_catalog.pg_is_in_recovery() AS conflicting,
       coalesce((pg_catalog.to_jsonb(s) ->> 'failover')::bool, false) AS failover,
       coalesce((pg_catalog.to_jsonb(s) ->> 'two_phase')::bool, false) AS two_phase,
       coalesce((pg_catalog.to_jsonb(s) ->> 'synced')::bool, false)
         AND pg_catalog.pg_is_in_recovery() AS is_copy,
       pg_catalog.date_part('epoch', pg_catalog.now() OPERATOR(pg_catalog.-)
         (pg_catalog.to_jsonb(s) ->> 'inactive_since')::timestamptz)::bigint AS idle_seconds
  FROM pg_catalog.pg_replication_slots s
  LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = s.active_pid
 WHERE s.slot_type = 'logical'
 ORDER BY s.slot_name
)sql";

// To be formatted with kHasRdsSetting or nothing.
constexpr const char* kStatus = R"sql(
SELECT pg_catalog.current_setting('wal_level') AS wal_level,
       pg_catalog.current_setting('server_encoding') AS server_encoding,
       pg_catalog.pg_is_in_recovery() AS in_recovery,
       current_user AS role,
       {} EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = 'rds_superuser') AS is_rds,
       (SELECT rolsuper OR rolreplication FROM pg_catalog.pg_roles WHERE rolname = current_user)
         AS has_replication
)sql";

constexpr const char* kHasRdsSetting =
    "pg_catalog.current_setting('rds.logical_replication', true) IS NOT NULL OR";

constexpr const char* kEnd = R"sql(
SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn()
            ELSE pg_catalog.pg_current_wal_flush_lsn() END AS flushed
)sql";

constexpr const char* kInserted = R"sql(
SELECT lsn AS inserted,
       CASE WHEN NOT in_recovery THEN (pg_catalog.pg_walfile_name_offset(lsn)).file_offset END AS file_offset,
       pg_catalog.current_setting('wal_block_size') AS page_size
  FROM (SELECT in_recovery,
               CASE WHEN in_recovery THEN pg_catalog.pg_last_wal_replay_lsn()
                    ELSE pg_catalog.pg_current_wal_insert_lsn() END AS lsn
          FROM (SELECT pg_catalog.pg_is_in_recovery() AS in_recovery OFFSET 0) server
        OFFSET 0) wal
)sql";

constexpr const char* kPlugins = R"sql(
SELECT pg_catalog.current_setting('output_plugin_libraries', true) AS plugins
)sql";

constexpr const char* kFailover = ", failover => true";

Lsn lsn_of(const Row& row, std::string_view column) {
  return read_lsn(row.view(column)).value_or(Lsn());
}

}  // namespace

std::vector<Slot> logical_slots(Connection& connection) {
  std::vector<Slot> slots;
  for (const Row row : connection.query(kSlots)) {
    Slot& slot = slots.emplace_back();
    slot.name = row.text("name");
    slot.plugin = row.text("plugin");
    slot.database = row.text("database");
    slot.active = row.flag("active");
    slot.active_pid = row.text("active_pid");
    slot.application = row.text("application");
    slot.confirmed_flush = lsn_of(row, "confirmed_flush");
    slot.restart = lsn_of(row, "restart");
    slot.wal_status = row.text("wal_status");
    slot.safe_wal_size = row.text("safe_wal_size");
    slot.invalidation_reason = row.text("invalidation_reason");
    slot.is_conflicting = row.flag("conflicting");
    slot.is_failover = row.flag("failover");
    slot.is_two_phase = row.flag("two_phase");
    slot.is_copy = row.flag("is_copy");
    if (!row.is_null("idle_seconds")) {
      slot.idle = std::chrono::seconds(row.number("idle_seconds"));
    }
  }
  // Aurora without logical decoding, hence without slots, would refuse.
  const Lsn end = slots.empty() ? Lsn() : current_wal_lsn(connection);
  for (Slot& slot : slots) {
    if (slot.restart > Lsn()) {
      slot.retained = static_cast<std::int64_t>(end.value - std::min(end, slot.restart).value);
    }
  }
  return slots;
}

std::optional<Slot> find_slot(Connection& connection, const std::string& name) {
  for (Slot& slot : logical_slots(connection)) {
    if (slot.name == name) {
      return std::move(slot);
    }
  }
  return std::nullopt;
}

std::string create_slot_statement(const NewSlot& slot) {
  return fmt::format("SELECT pg_create_logical_replication_slot({}, {}{})", quote_literal(slot.name),
                     quote_literal(slot.plugin), slot.is_failover ? kFailover : "");
}

std::string drop_slot_statement(const std::string& name) {
  return fmt::format("SELECT pg_drop_replication_slot({})", quote_literal(name));
}

void create_slot(Connection& connection, const NewSlot& slot) {
  connection.query(fmt::format("SELECT pg_catalog.pg_create_logical_replication_slot($1, $2{})",
                               slot.is_failover ? kFailover : ""),
                   {slot.name, slot.plugin});
}

void advance_slot(Connection& connection, const std::string& name, Lsn lsn) {
  connection.query("SELECT pg_catalog.pg_replication_slot_advance($1, $2::pg_lsn)", {name, to_text(lsn)});
}

void drop_slot(Connection& connection, const std::string& name) {
  connection.query("SELECT pg_catalog.pg_drop_replication_slot($1)", {name});
}

DecodingStatus decoding_status(Connection& connection) {
  const ServerVersion version = connection.version();
  const Result result =
      connection.query(fmt::format(kStatus, version.has_optional_settings() ? kHasRdsSetting : ""));
  const Row row = result.first();
  DecodingStatus status;
  status.version = version;
  status.wal_level = row.text("wal_level");
  status.has_logical_decoding =
      status.wal_level == "logical" || (status.wal_level == "replica" && version.decodes_at_level_replica());
  status.server_encoding = row.text("server_encoding");
  status.in_recovery = row.flag("in_recovery");
  status.role = row.text("role");
  status.is_rds = row.flag("is_rds");
  status.has_replication = row.flag("has_replication");
  return status;
}

Lsn current_wal_lsn(Connection& connection) {
  const Result result = connection.query(kEnd);
  return lsn_of(result.first(), "flushed");
}

Lsn inserted_wal_lsn(Connection& connection) {
  const Result result = connection.query(kInserted);
  const Row row = result.first();
  const Lsn inserted = lsn_of(row, "inserted");
  return row.is_null("file_offset")
             ? inserted
             : without_page_header(inserted, static_cast<std::uint64_t>(row.number("file_offset")),
                                   static_cast<std::uint64_t>(row.number("page_size")));
}

Lsn without_page_header(Lsn position, std::uint64_t offset, std::uint64_t page_size) {
  // The server's access/xlog_internal.h: SizeOfXLogLongPHD on the first page of a file, SizeOfXLogShortPHD.
  constexpr std::uint64_t long_header = 40;
  constexpr std::uint64_t short_header = 24;
  if (offset == long_header) {
    return Lsn{position.value - long_header};
  }
  return page_size > 0 && offset % page_size == short_header ? Lsn{position.value - short_header} : position;
}

std::optional<std::vector<std::string>> allowed_plugins(Connection& connection) {
  const Result result = connection.query(kPlugins);
  const Row row = result.first();
  if (row.is_null("plugins")) {
    return std::nullopt;
  }
  std::string list = row.text("plugins");
  std::erase_if(list, [](char c) { return c == ' ' || c == '"' || c == '\''; });
  std::vector<std::string> names;
  for (const std::string_view name : split_at_commas(list)) {
    if (!name.empty()) {
      names.emplace_back(name);
    }
  }
  return names;
}

void try_replication(const ConnectionSettings& server, const std::string& database) {
  const Connection connection(for_replication(server), database);
}

ExportedSnapshot::ExportedSnapshot(const ConnectionSettings& server, const std::string& database,
                                   std::chrono::seconds lock_timeout)
    : connection_(for_replication(server), database) {
  static std::atomic<unsigned> number = 0;  // the server may not have dropped the previous slot yet
  connection_.pin_settings(false);          // the session is idle in a transaction for long
  timeline_ = current_timeline(connection_);
  connection_.execute(fmt::format("SET lock_timeout = '{}s'", lock_timeout.count()));
  const Result result = connection_.simple_query(
      fmt::format("CREATE_REPLICATION_SLOT {} TEMPORARY LOGICAL pgoutput EXPORT_SNAPSHOT",
                  quote_identifier(fmt::format("tap_postgres_copy_{}_{}", ::getpid(), ++number))));
  const Row row = result.first();
  name_ = row.text("snapshot_name");
  lsn_ = lsn_of(row, "consistent_point");
}

}  // namespace tap::pg
