// SPDX-License-Identifier: Apache-2.0
#include "snapshot_origin.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>

#include <spdlog/fmt/fmt.h>

#include <tap/base/log.hpp>
#include <tap/base/signals.hpp>
#include <tap/pg/catalog/slots.hpp>

#include "scan.hpp"

namespace tap::sync {

namespace {

/// An idle primary sends WAL written without a commit (for pages that reading has pruned) with the next
/// snapshot of its background writer: after at most 15 s, and another 10 s when that process hibernates.
constexpr std::chrono::seconds kCatchUpTimeout{30};
constexpr std::chrono::milliseconds kCatchUpPoll{100};

/// The SQL functions for positions in WAL, whose names changed in version 10.
struct WalFunctions {
  explicit WalFunctions(pg::ServerVersion version) {
    if (version < pg::ServerVersion(100000)) {
      insert = "pg_catalog.pg_current_xlog_insert_location()";
      replay = "pg_catalog.pg_last_xlog_replay_location()";
      file_offset = "pg_catalog.pg_xlogfile_name_offset";
    }
  }
  const char* insert = "pg_catalog.pg_current_wal_insert_lsn()";
  const char* replay = "pg_catalog.pg_last_wal_replay_lsn()";
  const char* file_offset = "pg_catalog.pg_walfile_name_offset";
};

constexpr const char* kDatabase =
    "(SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) AS database";

/// Runs in the snapshot's transaction, so after the snapshot was taken. The position is the end of WAL, on a
/// standby of the replayed WAL. The timeline of a primary comes from the name of a WAL file; that of a
/// standby from control data, which may be as old as its last restartpoint, and from its WAL receiver, which
/// not every role may see. The functions for control data exist since 9.6, and can be revoked.
std::string origin_query(pg::ServerVersion version, bool with_control_data) {
  const WalFunctions wal(version);
  const bool has_wal_receiver = version >= pg::ServerVersion(90600);
  return fmt::format(
      "SELECT pg_catalog.txid_current_snapshot() AS snapshot, {}, {} AS system, {} AS timeline, "
      "{} AS received_timeline, lsn, "
      "CASE WHEN NOT in_recovery THEN ({}(lsn)).file_name END AS wal_file, "
      "CASE WHEN NOT in_recovery THEN ({}(lsn)).file_offset END AS wal_offset, "
      "pg_catalog.current_setting('wal_block_size') AS page_size "
      "FROM (SELECT in_recovery, CASE WHEN in_recovery THEN {} ELSE {} END AS lsn "
      "FROM (SELECT pg_catalog.pg_is_in_recovery() AS in_recovery OFFSET 0) server OFFSET 0) wal",
      kDatabase,
      with_control_data ? "(SELECT system_identifier FROM pg_catalog.pg_control_system())" : "NULL",
      with_control_data ? "(SELECT greatest(timeline_id, min_recovery_end_timeline) "
                          "FROM pg_catalog.pg_control_checkpoint(), pg_catalog.pg_control_recovery())"
                        : "NULL",
      has_wal_receiver
          ? "CASE WHEN in_recovery THEN (SELECT received_tli FROM pg_catalog.pg_stat_wal_receiver) END"
          : "NULL",
      wal.file_offset, wal.file_offset, wal.replay, wal.insert);
}

std::uint32_t read_number(std::string_view text, int base) {
  std::uint32_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number, base);
  return number;
}

void read_timeline(const pg::Row& row, SnapshotOrigin& origin) {
  constexpr std::size_t digits = 8;  // a WAL file's name begins with its timeline
  constexpr int decimal = 10;
  constexpr int hexadecimal = 16;
  origin.timeline.system = row.text("system");
  origin.timeline.id = row.is_null("wal_file")
                           ? std::max(read_number(row.view("timeline"), decimal),
                                      read_number(row.view("received_timeline"), decimal))
                           : read_number(row.view("wal_file").substr(0, digits), hexadecimal);
}

/// Nothing if the server refuses one of the functions.
std::optional<SnapshotOrigin> try_read_origin(pg::Connection& connection, bool with_control_data) {
  SnapshotOrigin origin;
  try {
    const pg::Result result =
        connection.simple_query("SAVEPOINT origin; " + origin_query(connection.version(), with_control_data));
    // Release early: a standby terminates the session of a subtransaction that conflicts with its replay.
    connection.execute("RELEASE SAVEPOINT origin");
    const pg::Row row = result.first();
    origin.snapshot = row.text("snapshot");
    origin.lsn = read_lsn(row.view("lsn"));
    if (origin.lsn && !row.is_null("wal_offset")) {
      origin.lsn = pg::without_page_header(*origin.lsn, static_cast<std::uint64_t>(row.number("wal_offset")),
                                           static_cast<std::uint64_t>(row.number("page_size")));
    }
    origin.database = row.oid("database");
    read_timeline(row, origin);
    return origin;
  } catch (const pg::ServerError& error) {
    log::debug("cannot read the position in WAL: {}", error.what());
    connection.execute("ROLLBACK TO SAVEPOINT origin; RELEASE SAVEPOINT origin");
    return std::nullopt;
  }
}

}  // namespace

std::optional<Snapshot> parse_snapshot(std::string_view text) {
  Snapshot snapshot;
  bool is_valid = scan_number(text, snapshot.xmin) && scan_char(text, ':') &&
                  scan_number(text, snapshot.xmax) && scan_char(text, ':') && snapshot.xmin <= snapshot.xmax;
  while (is_valid && !text.empty()) {
    is_valid =
        (snapshot.xip.empty() || scan_char(text, ',')) && scan_number(text, snapshot.xip.emplace_back());
  }
  return is_valid ? std::optional(std::move(snapshot)) : std::nullopt;
}

SnapshotOrigin read_snapshot_origin(pg::Connection& connection) {
  if (connection.version() >= pg::ServerVersion(90600)) {
    if (auto origin = try_read_origin(connection, true)) {
      return *std::move(origin);
    }
  }
  if (auto origin = try_read_origin(connection, false)) {
    return *std::move(origin);
  }
  // Aurora refuses positions in WAL unless wal_level is logical. Snapshots can still be compared.
  SnapshotOrigin origin;
  const pg::Result result =
      connection.query(fmt::format("SELECT pg_catalog.txid_current_snapshot() AS snapshot, {}", kDatabase));
  origin.snapshot = result.first().text("snapshot");
  origin.database = result.first().oid("database");
  return origin;
}

std::optional<Lsn> replay_lsn_before_snapshot(pg::Connection& connection,
                                              const std::optional<Lsn>& required) {
  const auto deadline = std::chrono::steady_clock::now() + kCatchUpTimeout;
  const std::string query =
      fmt::format("SELECT pg_catalog.pg_is_in_recovery() AS in_recovery, {} AS replayed",
                  WalFunctions(connection.version()).replay);
  while (true) {
    const pg::Result result = connection.query(query);
    const pg::Row row = result.first();
    if (!row.flag("in_recovery")) {
      return std::nullopt;
    }
    const auto replayed = read_lsn(row.view("replayed"));
    const bool has_caught_up = !replayed || !required || *replayed >= *required;
    if (has_caught_up || std::chrono::steady_clock::now() > deadline) {
      return replayed;
    }
    signals::sleep_for(kCatchUpPoll);
  }
}

bool is_at_least_as_new(const SnapshotOrigin& now, const SnapshotOrigin& earlier) {
  const auto current = parse_snapshot(now.snapshot);
  const auto previous = parse_snapshot(earlier.snapshot);
  if (!current || !previous || current->xmax < previous->xmax || current->xmin < previous->xmin) {
    return false;
  }
  // A primary whose files were restored (snapshot of the machine) can repeat transaction IDs.
  if (!now.replayed && now.lsn && now.lsn < earlier.lsn) {
    return false;
  }
  if (current->xmin >= previous->xmax) {
    return true;  // every transaction that the earlier snapshot could see has ended
  }
  if (!current->is_exact()) {
    return now.replayed && earlier.lsn && *now.replayed >= *earlier.lsn;
  }
  return std::ranges::all_of(current->xip, [&](std::uint64_t running) {
    return running >= previous->xmax || std::ranges::find(previous->xip, running) != previous->xip.end();
  });
}

bool is_same_history(const pg::Timeline& a, const pg::Timeline& b) {
  const bool is_other_system = !a.system.empty() && !b.system.empty() && a.system != b.system;
  const bool is_other_timeline = a.id != 0 && b.id != 0 && a.id != b.id;
  return !is_other_system && !is_other_timeline;
}

std::uint64_t snapshot_xmax(const SnapshotOrigin& origin) {
  return parse_snapshot(origin.snapshot).value_or(Snapshot()).xmax;
}

}  // namespace tap::sync
