// SPDX-License-Identifier: Apache-2.0
#include "full_table.hpp"

#include <algorithm>

#include <spdlog/fmt/fmt.h>

#include <tap/base/clock.hpp>
#include <tap/base/log.hpp>
#include <tap/pg/copy_reader.hpp>
#include <tap/pg/quote.hpp>

#include "sync/bookmark.hpp"
#include "sync/bookmark_lsn.hpp"
#include "sync/wal/records/partition_list.hpp"

namespace tap::sync {

namespace {

/// Reads the ctid that leads a row: tidsend gives block and offset.
Ctid take_ctid(Cursor& row) {
  constexpr std::int32_t size = 6;
  if (row.i32() != size) {
    throw StreamError("the server sent a row without its ctid; please report this with the server's version");
  }
  Ctid ctid;
  ctid.block = row.u32();
  ctid.offset = row.u16();
  return ctid;
}

/// The `xmin` that a Python tap left in the middle of a copy.
std::optional<std::uint32_t> python_xmin(const Json& bookmark) {
  const auto xmin = bookmark.find("xmin");
  const bool set = xmin != bookmark.end() && xmin->is_number_unsigned() && !bookmark.contains("copy");
  return set ? std::optional(xmin->get<std::uint32_t>()) : std::nullopt;
}

/// Leaves by what is left of them: those that are done have only their changes to come, which the position
/// does not count until all of them are in.
std::vector<pg::Partition> in_order(std::vector<pg::Partition> partitions,
                                    const std::optional<CopyPosition>& from) {
  if (from) {
    std::ranges::stable_sort(partitions, {}, [&](const pg::Partition& partition) {
      return from->is_done(partition.oid) ? 0 : partition.oid == from->partition ? 1 : 2;
    });
  }
  return partitions;
}

}  // namespace

void FullTable::attempt(pg::Connection& connection) {
  output_.attempt([&] { read_all(connection); }, [&] { note_position(); });
}

void FullTable::read_all(pg::Connection& connection) {
  past_ = false;
  pg::Relation relation = open_snapshot(connection);
  RowProjection shape(plan_, relation, config_.values);
  if (!find_start(connection, relation, shape)) {
    connection.execute("ROLLBACK");
    relation = open_snapshot(connection);
    shape = RowProjection(plan_, relation, config_.values);
    find_start(connection, relation, shape);
  }
  const auto xmin = python_xmin(output_.bookmark());
  written_since_ = xmin ? written_since(*xmin, connection.version()) : "";
  begin(shape, from_.has_value() || xmin.has_value());

  const auto version = output_.bookmark()["version"].get<std::int64_t>();
  const singer::RecordFrame frame(plan_.name, version, time_extracted_);
  if (relation.reads_each_partition) {
    for (const pg::Partition& partition : in_order(relation.partitions, from_)) {
      read_partition(connection, partition, relation, shape, frame);
    }
  } else {
    const std::string name = pg::quote_qualified(plan_.stream.schema_name, plan_.stream.table);
    read_rows(connection, fmt::format("SELECT {} FROM {}", shape.select_list(), name), nullptr, shape, frame);
  }
  connection.execute("COMMIT");

  output_.activate_version(version);
  output_.bookmark().erase("copy");
  if (!plan_.stream.is_view) {
    output_.bookmark()["xmin"] = nullptr;
  }
  if (lsn_) {
    output_.bookmark()["lsn"] = lsn_->value;
    output_.bookmark()["table_oid"] = relation.oid;
    const Json partitions = partitions_of(relation);
    note_partitions(output_.bookmark(), partitions,
                    needs_next_transaction(relation, partitions)
                        ? std::optional(next_transaction(reached_.origin))
                        : std::nullopt);
  }
  past_ = false;
  output_.end();
}

bool FullTable::find_start(pg::Connection& connection, const pg::Relation& relation,
                           const RowProjection& shape) {
  reached_ = {};
  reached_.origin = read_origin(connection);
  reached_.columns = columns_read(relation, shape);
  reached_.lsn = lsn_;
  std::string why;
  if (from_) {
    SnapshotOrigin now = reached_.origin;
    now.lsn = reached_before_;
    why = obstacle_to_resume(*from_, relation, now, reached_.columns);
  } else if (const auto xmin = python_xmin(output_.bookmark()); xmin && is_too_old(connection, *xmin)) {
    why = "it is too many transactions ago";
  }
  if (why.empty()) {
    reached_.done = from_ ? from_->done : std::vector<Oid>();
    return true;
  }
  log::warn("{}: cannot resume the interrupted copy: {}; restarting it", plan_.stream.id, why);
  forget_copy();
  return false;
}

void FullTable::forget_copy() {
  Json& bookmark = output_.bookmark();
  bookmark.erase("copy");
  bookmark.erase("xmin");
  if (initial_snapshot_) {  // the changes to be added begin at the position of the next copy's snapshot
    bookmark.erase("lsn");
  }
}

std::map<std::string, int> FullTable::columns_read(const pg::Relation& relation, const RowProjection& shape) {
  std::map<std::string, int> columns;
  for (const pg::TableColumn& column : relation.columns) {
    if (std::ranges::find(shape.columns(), column.name) != shape.columns().end()) {
      columns[column.name] = column.number;
    }
  }
  return columns;
}

pg::Relation FullTable::open_snapshot(pg::Connection& connection) {
  InitialSnapshot start;
  std::function<std::string()> snapshot;
  Json& bookmark = output_.bookmark();
  from_ = bookmark.contains("copy") ? read_position(bookmark["copy"]) : std::nullopt;
  if (!from_ && bookmark.contains("copy")) {
    forget_copy();
  }
  reached_before_ = from_ ? reached_before_snapshot(connection, from_->origin.lsn) : std::nullopt;
  lsn_ = oldest_needed_lsn(bookmark);  // of a copy that was cut off: the log is kept from there
  if (initial_snapshot_ && !lsn_) {
    snapshot = [&] {
      start = initial_snapshot_(connection);
      lsn_ = start.lsn;
      return start.snapshot ? start.snapshot->name() : "";
    };
  }
  pg::Relation relation =
      pg::open_relation(connection, plan_.stream.schema_name, plan_.stream.table, plan_.columns, snapshot);
  output_.expect(relation.rows);
  if (connection.version().has_parallel_query()) {
    connection.execute("SET LOCAL max_parallel_workers_per_gather = 0");  // the file's order is one reader's
  }
  return relation;
}

void FullTable::begin(const RowProjection& shape, bool resumes) {
  Json& bookmark = output_.bookmark();
  const bool first_run = !bookmark.contains("version");
  // What an earlier attempt of this run has sent without a place to go on from must not outlive it.
  if (first_run || (!resumes && (!output_.has_begun() || output_.rows() > 0))) {
    renew_version(bookmark);
    bookmark.erase("xmin");
    bookmark.erase("copy");
    if (initial_snapshot_) {
      bookmark.erase("lsn");  // alone it would say that the initial snapshot is complete
    }
  }
  if (output_.has_begun()) {
    return;
  }
  if (resumes) {
    log::info("{}: going on with the copy that was cut off", plan_.stream.id);
  }
  time_extracted_ = utc_now();
  const auto version = bookmark["version"].get<std::int64_t>();
  output_.begin(shape.columns(), {});
  if (first_run) {
    output_.activate_version(version);
  }
}

void FullTable::read_partition(pg::Connection& connection, const pg::Partition& partition,
                               const pg::Relation& relation, const RowProjection& shape,
                               const singer::RecordFrame& frame) {
  // A parent's rows are its own here, its heirs' come as their own partitions.
  const bool only =
      relation.kind == pg::RelationKind::table || relation.kind == pg::RelationKind::partitioned;
  std::string query = fmt::format("SELECT {}{} FROM {}{}", partition.has_ctid ? "ctid, " : "",
                                  shape.select_list(), only ? "ONLY " : "", partition.name);
  const std::string condition = from_                ? rows_to_come(*from_, partition, connection.version())
                                : partition.has_ctid ? written_since_
                                                     : "";
  if (!condition.empty()) {
    query += " WHERE " + condition;
  }
  read_rows(connection, query, partition.has_ctid ? &partition : nullptr, shape, frame);
  if (!reached_.is_done(partition.oid)) {
    reached_.done.push_back(partition.oid);
  }
}

void FullTable::read_rows(pg::Connection& connection, const std::string& query,
                          const pg::Partition* partition, const RowProjection& shape,
                          const singer::RecordFrame& frame) {
  // The position follows the rows only where they have not been read before, and not through a copy of
  // Python's, whose own position is all that can be said.
  const bool follow = partition != nullptr && written_since_.empty() && !reached_.is_done(partition->oid);
  const Ctid after = follow && from_ && from_->partition == partition->oid ? from_->ctid : Ctid();
  pg::CopyReader reader(connection, query);
  while (const auto bytes = reader.next()) {
    Cursor row(*bytes);
    shape.take_field_count(row, partition == nullptr ? 0 : 1);
    const Ctid ctid = partition == nullptr ? Ctid() : take_ctid(row);
    const bool state_is_due = output_.record(frame, [&](Buffer& out) { shape.append(row, out); });
    if (follow && ctid > after) {
      past_ = true;
      reached_.partition = partition->oid;
      reached_.relfilenode = partition->relfilenode;
      reached_.ctid = ctid;
    }
    if (state_is_due) {
      note_position();
      output_.write_state();
    }
  }
}

void FullTable::note_position() {
  if (past_) {
    output_.bookmark()["copy"] = to_json(reached_);
  }
}

}  // namespace tap::sync
