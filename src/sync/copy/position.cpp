// SPDX-License-Identifier: Apache-2.0
#include "position.hpp"

#include <algorithm>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include "scan.hpp"

namespace tap::sync {

namespace {

/// How the columns to be read differ from those of the interrupted copy, for a log message.
std::string describe_column_change(const std::map<std::string, int>& before,
                                   const std::map<std::string, int>& now) {
  const auto missing_names = [](const auto& from, const auto& in) {
    std::vector<std::string> names;
    for (const auto& [name, number] : from) {
      const auto found = in.find(name);
      if (found == in.end() || found->second != number) {
        names.push_back(name);
      }
    }
    return names;
  };
  const auto added = missing_names(now, before);
  return added.empty() ? fmt::format("it was started with more columns ({})",
                                     fmt::join(missing_names(before, now), ", "))
                       : fmt::format("it was started without some columns ({})", fmt::join(added, ", "));
}

std::optional<Ctid> parse_ctid(std::string_view text) {
  Ctid ctid;
  const bool is_valid = scan_char(text, '(') && scan_number(text, ctid.block) && scan_char(text, ',') &&
                        scan_number(text, ctid.offset) && scan_char(text, ')') && text.empty();
  return is_valid ? std::optional(ctid) : std::nullopt;
}

std::optional<Oid> read_oid(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_unsigned() ? std::optional(found->get<Oid>())
                                                              : std::nullopt;
}

/// Reads the column numbers of a position; false if they are malformed. Positions written by earlier versions
/// of the tap have none.
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

/// The texts of an object, by its keys.
std::map<std::string, std::string> read_texts(const Json& copy, const char* key) {
  std::map<std::string, std::string> texts;
  if (const auto found = copy.find(key); found != copy.end() && found->is_object()) {
    for (const auto& [name, text] : found->items()) {
      if (text.is_string()) {
        texts[name] = text.get<std::string>();
      }
    }
  }
  return texts;
}

/// True if rows of a partition that were sent have values of another expression.
bool has_changed_expression(const CopyPosition& position, const pg::Relation& relation,
                            const std::map<std::string, int>& columns) {
  const auto now = virtual_expressions(relation, columns);
  return std::ranges::any_of(position.expressions, [&](const auto& before) {
    const auto found = now.find(before.first);
    return found != now.end() && found->second != before.second;
  });
}

}  // namespace

bool CopyPosition::is_done(Oid oid) const {
  return std::ranges::find(done, oid) != done.end();
}

Json to_json(const CopyPosition& position) {
  Json copy = Json::object();
  copy["snapshot"] = position.origin.snapshot;
  if (position.origin.lsn) {
    copy["snapshot_lsn"] = position.origin.lsn->value;
  }
  const pg::Timeline& timeline = position.origin.timeline;
  if (!timeline.system.empty()) {
    copy["system"] = timeline.system;
  }
  if (timeline.id != 0) {
    copy["timeline"] = timeline.id;
  }
  if (position.origin.database != 0) {
    copy["database"] = position.origin.database;
  }
  copy["columns"] = position.columns;
  if (!position.definitions.empty()) {
    copy["definitions"] = position.definitions;
  }
  if (!position.where.empty()) {
    copy["where"] = position.where;
  }
  copy["leaf"] = position.partition;
  copy["relfilenode"] = position.relfilenode;
  copy["position"] = fmt::format("({},{})", position.ctid.block, position.ctid.offset);
  if (!position.done.empty()) {
    copy["done"] = position.done;
  }
  for (const auto& [oid, expressions] : position.expressions) {
    if (oid == position.partition || position.is_done(oid)) {
      copy["expressions"][fmt::to_string(oid)] = expressions;
    }
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
  const auto ctid = parse_ctid(copy["position"].get_ref<const std::string&>());
  const auto partition = read_oid(copy, "leaf");
  const auto relfilenode = read_oid(copy, "relfilenode");
  CopyPosition position;
  position.origin.snapshot = copy["snapshot"].get<std::string>();
  if (!ctid || !partition || !relfilenode || !parse_snapshot(position.origin.snapshot) ||
      !read_columns(copy, position.columns)) {
    return std::nullopt;
  }
  if (const auto lsn = copy.find("snapshot_lsn"); lsn != copy.end() && lsn->is_number_unsigned()) {
    position.origin.lsn = Lsn{lsn->get<std::uint64_t>()};
  }
  if (const auto system = copy.find("system"); system != copy.end() && system->is_string()) {
    position.origin.timeline.system = system->get<std::string>();
  }
  position.origin.timeline.id = read_oid(copy, "timeline").value_or(0);
  position.origin.database = read_oid(copy, "database").value_or(0);
  position.definitions = read_texts(copy, "definitions");
  for (const auto& [text, expressions] : read_texts(copy, "expressions")) {
    Oid oid = 0;
    if (std::string_view rest = text; scan_number(rest, oid)) {
      position.expressions[oid] = expressions;
    }
  }
  if (const auto where = copy.find("where"); where != copy.end() && where->is_string()) {
    position.where = where->get<std::string>();
  }
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

std::string reason_to_restart(const CopyPosition& position, const pg::Relation& relation,
                              const SnapshotOrigin& now, const std::map<std::string, int>& columns,
                              const std::string& where) {
  if (relation.has_row_security) {
    return "row-level security applies to the table, and other rows may be visible now";
  }
  const auto partition = std::ranges::find(relation.partitions, position.partition, &pg::Partition::oid);
  if (!relation.reads_each_partition || partition == relation.partitions.end() || !partition->has_ctid) {
    return "the table or partition where it stopped is gone";
  }
  if (partition->relfilenode != position.relfilenode) {
    return "the table has been rewritten (VACUUM FULL, CLUSTER, TRUNCATE or ALTER TABLE)";
  }
  const SnapshotOrigin& origin = position.origin;
  if (!is_same_history(origin.timeline, now.timeline)) {
    return "the server has a different history (system identifier or timeline)";
  }
  if (origin.database != 0 && origin.database != now.database) {
    return "another database has its database's name";
  }
  if (position.columns.empty()) {
    return "an earlier version of tap-postgres started it";
  }
  if (columns != position.columns) {
    return describe_column_change(position.columns, columns);
  }
  if (where != position.where) {
    return "it was started with another row filter (where)";
  }
  if (std::string change = describe_definition_change(position.definitions, relation, !where.empty());
      !change.empty()) {
    return change;
  }
  if (has_changed_expression(position, relation, columns)) {
    return "the expression of a virtual generated column was changed";
  }
  const auto before = parse_snapshot(origin.snapshot);
  const auto after = parse_snapshot(now.snapshot);
  if (!before || !after || !is_at_least_as_new(now, origin)) {
    return "the server is behind the one it was started on, or has a different history";
  }
  // Rows are compared by 32 bits of their transaction IDs, see written_since_copy(): half of the IDs are
  // older, half newer. The rest of the range is left for transactions that begin while the copy runs.
  constexpr std::uint64_t comparable = 2'000'000'000;
  return after->xmax - before->xmin >= comparable ? "it was started too many transactions ago" : "";
}

std::uint64_t estimate_covered_rows(const CopyPosition& position,
                                    const std::vector<pg::Partition>& partitions, std::uint64_t rows) {
  std::uint64_t all = 0;
  std::uint64_t covered = 0;
  for (const pg::Partition& partition : partitions) {
    all += partition.blocks;
    covered += position.is_done(partition.oid) ? partition.blocks
               : partition.oid == position.partition
                   ? std::min<std::uint64_t>(position.ctid.block, partition.blocks)
                   : 0;
  }
  return all == 0 ? 0
                  : static_cast<std::uint64_t>(static_cast<double>(rows) * static_cast<double>(covered) /
                                               static_cast<double>(all));
}

namespace {

/// The SQL condition for the rows that the position's snapshot may not have seen.
std::string written_since_copy(const CopyPosition& position, pg::ServerVersion version) {
  const auto xmin = parse_snapshot(position.origin.snapshot).value_or(Snapshot()).xmin;
  // Before 9.4 VACUUM replaces the xmin of a row that it freezes by 2, so that a recent row can have it.
  const bool keeps_xmin = version >= pg::ServerVersion(90400);
  return fmt::format("pg_catalog.age(xmin) OPERATOR(pg_catalog.<=) pg_catalog.age('{}'::pg_catalog.xid){}",
                     static_cast<std::uint32_t>(xmin),
                     keeps_xmin ? "" : " OR xmin OPERATOR(pg_catalog.=) '2'::pg_catalog.xid");
}

}  // namespace

std::string remaining_rows_condition(const CopyPosition& position, const pg::Partition& partition,
                                     pg::ServerVersion version) {
  const bool is_done = position.is_done(partition.oid);
  if (!partition.has_ctid || (!is_done && partition.oid != position.partition)) {
    return "";
  }
  const std::string since = written_since_copy(position, version);
  return is_done ? since : fmt::format("ctid OPERATOR(pg_catalog.>) {} OR {}", to_sql(position.ctid), since);
}

std::string changed_rows_condition(const CopyPosition& position, pg::ServerVersion version) {
  return fmt::format("ctid OPERATOR(pg_catalog.<=) {} AND ({})", to_sql(position.ctid),
                     written_since_copy(position, version));
}

}  // namespace tap::sync
