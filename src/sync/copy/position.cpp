// SPDX-License-Identifier: Apache-2.0
#include "position.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <tap/base/log.hpp>
#include <tap/base/signals.hpp>

namespace tap::sync {

namespace {

/// An idle primary sends what it has written without a commit (pages that reading has pruned) with the next
/// snapshot of its background writer, which takes 15 s, and up to 10 s more when that sleeps.
constexpr std::chrono::seconds kStandbyPatience{30};
constexpr std::chrono::milliseconds kStandbyPause{100};

/// SQL for positions in WAL by the server's version.
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

/// What is read in the snapshot's transaction, so later than the snapshot: the end of WAL, on a standby of
/// what was replayed. A primary learns its timeline from the name of a WAL file; a standby from control data,
/// which may be as old as its last restartpoint, and from its WAL receiver, which not every role may see.
std::string origin_query(pg::ServerVersion version) {
  const WalFunctions wal(version);
  const bool has_control_data = version >= pg::ServerVersion(90600);
  return fmt::format(
      "SELECT pg_catalog.txid_current_snapshot() AS snapshot, {} AS system, {} AS timeline, lsn, "
      "CASE WHEN NOT in_recovery THEN ({}(lsn)).file_name END AS wal_file, "
      "CASE WHEN NOT in_recovery THEN ({}(lsn)).file_offset END AS wal_offset, "
      "pg_catalog.current_setting('wal_block_size') AS page_size "
      "FROM (SELECT in_recovery, CASE WHEN in_recovery THEN {} ELSE {} END AS lsn "
      "FROM (SELECT pg_catalog.pg_is_in_recovery() AS in_recovery OFFSET 0) server OFFSET 0) wal",
      has_control_data ? "(SELECT system_identifier FROM pg_catalog.pg_control_system())" : "NULL",
      has_control_data
          ? "greatest((SELECT timeline_id FROM pg_catalog.pg_control_checkpoint()), "
            "(SELECT min_recovery_end_timeline FROM pg_catalog.pg_control_recovery()), "
            "CASE WHEN in_recovery THEN (SELECT received_tli FROM pg_catalog.pg_stat_wal_receiver) END)"
          : "NULL",
      wal.file_offset, wal.file_offset, wal.replay, wal.insert);
}

/// A WAL file's name begins with its timeline, in hexadecimal.
std::uint32_t read_timeline(std::string_view control_data, std::string_view wal_file) {
  constexpr std::size_t digits = 8;
  constexpr int hexadecimal = 16;
  std::uint32_t timeline = 0;
  const std::string_view text = wal_file.empty() ? control_data : wal_file.substr(0, digits);
  std::from_chars(text.data(), text.data() + text.size(), timeline, wal_file.empty() ? 10 : hexadecimal);
  return timeline;
}

/// What is different about the columns, for the log.
std::string difference(const std::map<std::string, int>& before, const std::map<std::string, int>& now) {
  std::vector<std::string> added;
  std::vector<std::string> gone;
  const auto note_missing = [](const auto& from, const auto& in, std::vector<std::string>& names) {
    for (const auto& [name, number] : from) {
      const auto found = in.find(name);
      if (found == in.end() || found->second != number) {
        names.push_back(name);
      }
    }
  };
  note_missing(now, before, added);
  note_missing(before, now, gone);
  return added.empty() ? fmt::format("it had more columns ({})", fmt::join(gone, ", "))
                       : fmt::format("it did not have all columns ({})", fmt::join(added, ", "));
}

template <class Number>
bool read_number(std::string_view& text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  text.remove_prefix(error == std::errc() ? static_cast<std::size_t>(end - text.data()) : 0);
  return error == std::errc();
}

bool take(std::string_view& text, char c) {
  const bool there = text.substr(0, 1) == std::string_view(&c, 1);
  text.remove_prefix(there ? 1 : 0);
  return there;
}

std::optional<Ctid> read_ctid(std::string_view text) {
  Ctid ctid;
  const bool whole = take(text, '(') && read_number(text, ctid.block) && take(text, ',') &&
                     read_number(text, ctid.offset) && take(text, ')') && text.empty();
  return whole ? std::optional(ctid) : std::nullopt;
}

/// A snapshot's text, taken apart. IDs have their epoch.
struct Snapshot {
  std::uint64_t xmin = 0;            ///< all transactions below it had ended
  std::uint64_t xmax = 0;            ///< none from here on had
  std::vector<std::uint64_t> xip{};  ///< those between that were running; a standby does not list them

  /// All transactions below xmax had ended, but for xip.
  [[nodiscard]] bool is_exact() const { return xmin == xmax || !xip.empty(); }
};

std::optional<Snapshot> read_snapshot(std::string_view text) {
  Snapshot snapshot;
  bool whole = read_number(text, snapshot.xmin) && take(text, ':') && read_number(text, snapshot.xmax) &&
               take(text, ':') && snapshot.xmin <= snapshot.xmax;
  while (whole && !text.empty()) {
    whole = (snapshot.xip.empty() || take(text, ',')) && read_number(text, snapshot.xip.emplace_back());
  }
  return whole ? std::optional(std::move(snapshot)) : std::nullopt;
}

std::optional<Oid> read_oid(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_unsigned() ? std::optional(found->get<Oid>())
                                                              : std::nullopt;
}

/// False if they are not what a position has. Those of earlier versions of the tap have none.
bool read_columns(const Json& copy, std::map<std::string, int>& columns) {
  const auto found = copy.find("columns");
  if (found == copy.end()) {
    return true;
  }
  if (!found->is_object()) {
    return false;
  }
  for (const auto& [name, number] : found->items()) {
    if (!number.is_number_integer()) {
      return false;
    }
    columns[name] = number.get<int>();
  }
  return true;
}

}  // namespace

Lsn without_page_header(Lsn position, std::uint64_t offset, std::uint64_t page_size) {
  // The server's access/xlog_internal.h: SizeOfXLogLongPHD on the first page of a file, SizeOfXLogShortPHD.
  constexpr std::uint64_t long_header = 40;
  constexpr std::uint64_t short_header = 24;
  if (offset == long_header) {
    return Lsn{position.value - long_header};
  }
  return page_size > 0 && offset % page_size == short_header ? Lsn{position.value - short_header} : position;
}

SnapshotOrigin read_origin(pg::Connection& connection) {
  SnapshotOrigin origin;
  try {
    const pg::Result row = connection.simple_query("SAVEPOINT origin; " + origin_query(connection.version()));
    // A standby ends the whole session of a subtransaction that is in the way of its replay.
    connection.execute("RELEASE SAVEPOINT origin");
    origin.snapshot = row.text(0, row.column("snapshot"));
    origin.lsn = read_lsn(row.view(0, row.column("lsn")));
    if (const auto offset = row.column("wal_offset"); origin.lsn && !row.is_null(0, offset)) {
      origin.lsn = without_page_header(*origin.lsn, static_cast<std::uint64_t>(row.number(0, offset)),
                                       static_cast<std::uint64_t>(row.number(0, row.column("page_size"))));
    }
    origin.system = row.text(0, row.column("system"));
    origin.timeline = read_timeline(row.view(0, row.column("timeline")), row.view(0, row.column("wal_file")));
  } catch (const pg::ServerError& error) {
    // Aurora refuses what concerns its WAL unless wal_level is logical. Snapshots can still be compared.
    log::debug("the position in WAL is unknown: {}", error.what());
    connection.execute("ROLLBACK TO SAVEPOINT origin; RELEASE SAVEPOINT origin");
    const pg::Result row = connection.query("SELECT pg_catalog.txid_current_snapshot() AS snapshot");
    origin.snapshot = row.text(0, row.column("snapshot"));
  }
  return origin;
}

std::optional<Lsn> reached_before_snapshot(pg::Connection& connection, const std::optional<Lsn>& from) {
  const auto deadline = std::chrono::steady_clock::now() + kStandbyPatience;
  const std::string query =
      fmt::format("SELECT pg_catalog.pg_is_in_recovery() AS in_recovery, {} AS replayed",
                  WalFunctions(connection.version()).replay);
  while (true) {
    const pg::Result row = connection.query(query);
    if (!row.flag(0, row.column("in_recovery"))) {
      return std::nullopt;
    }
    const auto replayed = read_lsn(row.view(0, row.column("replayed")));
    if (!replayed || !from || *replayed >= *from || std::chrono::steady_clock::now() > deadline) {
      return replayed;
    }
    signals::sleep_for(kStandbyPause);
  }
}

bool is_as_new(const SnapshotOrigin& now, const SnapshotOrigin& from) {
  const auto later = read_snapshot(now.snapshot);
  const auto earlier = read_snapshot(from.snapshot);
  if (!later || !earlier || later->xmax < earlier->xmax) {
    return false;
  }
  if (later->xmin >= earlier->xmax) {
    return true;  // all that could be seen then has ended now
  }
  if (!later->is_exact()) {
    return now.lsn && from.lsn && *now.lsn >= *from.lsn;
  }
  return std::ranges::all_of(later->xip, [&](std::uint64_t running) {
    return running >= earlier->xmax || std::ranges::find(earlier->xip, running) != earlier->xip.end();
  });
}

std::uint64_t next_transaction(const SnapshotOrigin& origin) {
  return read_snapshot(origin.snapshot).value_or(Snapshot()).xmax;
}

bool CopyPosition::is_done(Oid oid) const {
  return std::ranges::find(done, oid) != done.end();
}

Json to_json(const CopyPosition& position) {
  Json copy = Json::object();
  copy["snapshot"] = position.origin.snapshot;
  if (position.origin.lsn) {
    copy["snapshot_lsn"] = position.origin.lsn->value;
  }
  if (!position.origin.system.empty()) {
    copy["system"] = position.origin.system;
  }
  if (position.origin.timeline != 0) {
    copy["timeline"] = position.origin.timeline;
  }
  copy["columns"] = position.columns;
  copy["leaf"] = position.partition;
  copy["relfilenode"] = position.relfilenode;
  copy["position"] = fmt::format("({},{})", position.ctid.block, position.ctid.offset);
  if (!position.done.empty()) {
    copy["done"] = position.done;
  }
  if (position.lsn) {
    copy["lsn"] = position.lsn->value;
  }
  return copy;
}

std::optional<CopyPosition> read_position(const Json& copy) {
  if (!copy.is_object() || !copy.contains("snapshot") || !copy["snapshot"].is_string() ||
      !copy.contains("position") || !copy["position"].is_string()) {
    return std::nullopt;
  }
  const auto ctid = read_ctid(copy["position"].get_ref<const std::string&>());
  const auto partition = read_oid(copy, "leaf");
  const auto relfilenode = read_oid(copy, "relfilenode");
  CopyPosition position;
  position.origin.snapshot = copy["snapshot"].get<std::string>();
  if (!ctid || !partition || !relfilenode || !read_snapshot(position.origin.snapshot) ||
      !read_columns(copy, position.columns)) {
    return std::nullopt;
  }
  if (const auto lsn = copy.find("snapshot_lsn"); lsn != copy.end() && lsn->is_number_unsigned()) {
    position.origin.lsn = Lsn{lsn->get<std::uint64_t>()};
  }
  if (const auto system = copy.find("system"); system != copy.end() && system->is_string()) {
    position.origin.system = system->get<std::string>();
  }
  position.origin.timeline = read_oid(copy, "timeline").value_or(0);
  position.partition = *partition;
  position.relfilenode = *relfilenode;
  position.ctid = *ctid;
  if (const auto done = copy.find("done"); done != copy.end()) {
    for (const Json& oid : *done) {
      if (!oid.is_number_unsigned()) {
        return std::nullopt;
      }
      position.done.push_back(oid.get<Oid>());
    }
  }
  return position;
}

std::string obstacle_to_resume(const CopyPosition& position, const pg::Relation& relation,
                               const SnapshotOrigin& now, const std::map<std::string, int>& columns) {
  const auto partition = std::ranges::find(relation.partitions, position.partition, &pg::Partition::oid);
  if (!relation.reads_each_partition || partition == relation.partitions.end() || !partition->has_ctid) {
    return "the part of the table that it had come to is gone";
  }
  if (partition->relfilenode != position.relfilenode) {
    return "the table has been rewritten (VACUUM FULL, CLUSTER, TRUNCATE or ALTER TABLE)";
  }
  const SnapshotOrigin& from = position.origin;
  const bool is_another_system = !from.system.empty() && !now.system.empty() && from.system != now.system;
  const bool is_another_timeline = from.timeline != 0 && now.timeline != 0 && from.timeline != now.timeline;
  if (is_another_system || is_another_timeline) {
    return "the server has another history";
  }
  if (position.columns.empty()) {
    return "an earlier version of tap-postgres began it";
  }
  if (columns != position.columns) {
    return difference(position.columns, columns);
  }
  const auto before = read_snapshot(from.snapshot);
  const auto after = read_snapshot(now.snapshot);
  if (!before || !after || after->xmin < before->xmin || !is_as_new(now, from)) {
    return "the server is behind the one that the copy began on, or has another history";
  }
  // Result are compared by 32 bits of their transaction IDs, see written_since(): half of them are older,
  // half newer. Some IDs are used while the copy runs.
  constexpr std::uint64_t comparable = 2'000'000'000;
  return after->xmax - before->xmin >= comparable ? "it is too many transactions ago" : "";
}

bool is_too_old(pg::Connection& connection, std::uint32_t xmin) {
  const pg::Result row =
      connection.query("SELECT pg_catalog.age($1::pg_catalog.xid) AS age", {fmt::to_string(xmin)});
  return row.number(0, row.column("age")) < 0;
}

std::string written_since(std::uint32_t xmin, pg::ServerVersion version) {
  // Before 9.4 VACUUM overwrites the xmin of a row that it freezes with 2, so the row may have been written
  // since.
  const bool keeps_xmin = version >= pg::ServerVersion(90400);
  return fmt::format("pg_catalog.age(xmin) OPERATOR(pg_catalog.<=) pg_catalog.age('{}'::pg_catalog.xid){}",
                     xmin, keeps_xmin ? "" : " OR xmin OPERATOR(pg_catalog.=) '2'::pg_catalog.xid");
}

std::string rows_to_come(const CopyPosition& position, const pg::Partition& partition,
                         pg::ServerVersion version) {
  const bool done = position.is_done(partition.oid);
  if (!partition.has_ctid || (!done && partition.oid != position.partition)) {
    return "";
  }
  const std::string since = written_since(
      static_cast<std::uint32_t>(read_snapshot(position.origin.snapshot).value_or(Snapshot()).xmin), version);
  return done ? since
              : fmt::format("ctid OPERATOR(pg_catalog.>) '({},{})'::pg_catalog.tid OR {}",
                            position.ctid.block, position.ctid.offset, since);
}

}  // namespace tap::sync
