// SPDX-License-Identifier: Apache-2.0
#include "full_table.hpp"

#include <algorithm>
#include <chrono>

#include <spdlog/fmt/fmt.h>

#include <tap/base/clock.hpp>
#include <tap/base/log.hpp>
#include <tap/pg/copy_reader.hpp>
#include <tap/pg/quote.hpp>

#include "sync/bookmark.hpp"
#include "sync/bookmark_lsn.hpp"
#include "table_scan.hpp"

namespace tap::sync {

namespace {

/// Reads the ctid at the start of a row: tidsend() sends a 4-byte block and a 2-byte offset.
Ctid read_ctid(Cursor& row) {
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
  const bool is_set = xmin != bookmark.end() && xmin->is_number_unsigned() && !bookmark.contains("copy");
  return is_set ? std::optional(xmin->get<std::uint32_t>()) : std::nullopt;
}

/// Finished partitions first, then the one the copy stopped in. A position does not cover the changes of
/// finished partitions, so that all of them must be sent before the position moves.
std::vector<pg::Partition> order_for_resume(std::vector<pg::Partition> partitions,
                                            const std::optional<CopyPosition>& position) {
  if (position) {
    std::ranges::stable_sort(partitions, {}, [&](const pg::Partition& partition) {
      return position->is_done(partition.oid) ? 0 : partition.oid == position->partition ? 1 : 2;
    });
  }
  return partitions;
}

}  // namespace

void FullTable::attempt(pg::Connection& connection) {
  output_.attempt([&] { copy_table(connection); }, [&] { save_position(); });
}

void FullTable::copy_table(pg::Connection& connection) {
  has_position_ = false;
  pg::Relation relation = open_snapshot(connection);
  RowProjection projection(plan_, relation, config_.values);
  if (!choose_start(connection, relation, projection)) {
    transactions_.roll_back(connection);
    relation = open_snapshot(connection);
    projection = RowProjection(plan_, relation, config_.values);
    choose_start(connection, relation, projection);
  }
  const auto xmin = python_xmin(output_.bookmark());
  since_python_xmin_ = xmin ? written_since(*xmin, connection.version()) : "";
  begin_stream(projection, resumed_from_.has_value() || xmin.has_value());

  const auto version = output_.bookmark()["version"].get<std::int64_t>();
  const singer::RecordFrame frame(plan_.name, version, time_extracted_);
  if (relation.reads_each_partition) {
    for (const pg::Partition& partition : order_for_resume(relation.partitions, resumed_from_)) {
      read_partition(connection, partition, relation, projection, frame);
    }
  } else {
    const std::string name = pg::quote_qualified(plan_.stream.schema_name, plan_.stream.table);
    read_rows(connection, fmt::format("SELECT {} FROM {}", projection.select_list(), name), nullptr,
              projection, frame);
  }
  transactions_.finish(connection);
  finish_stream(relation, version);
}

pg::Relation FullTable::open_snapshot(pg::Connection& connection) {
  Json& bookmark = output_.bookmark();
  resumed_from_ = bookmark.contains("copy") ? read_position(bookmark["copy"]) : std::nullopt;
  if (!resumed_from_ && bookmark.contains("copy")) {
    discard_copy();
  }
  replay_lsn_ =
      resumed_from_ ? replay_lsn_before_snapshot(connection, resumed_from_->origin.lsn) : std::nullopt;
  follow_from_ = oldest_needed_lsn(bookmark);  // of an interrupted copy: the slot keeps WAL from there
  pg::Relation relation =
      transactions_.open(connection, plan_, follow_from_ ? OpenInitialSnapshot() : initial_snapshot_.open,
                         resumed_from_.has_value());
  if (!follow_from_) {
    follow_from_ = transactions_.initial_lsn();
  }
  output_.expect(relation.rows);
  transactions_.configure(connection, settings_for_scans(connection.version()));
  files_ = files_to_read_in_ranges(relation, connection.version());
  return relation;
}

bool FullTable::choose_start(pg::Connection& connection, const pg::Relation& relation,
                             const RowProjection& projection) {
  position_ = {};
  position_.origin = transactions_.origin(connection);
  position_.columns = attribute_numbers(relation, projection);
  position_.lsn = follow_from_;
  std::string reason;
  if (resumed_from_) {
    SnapshotOrigin now = position_.origin;
    now.lsn = replay_lsn_;
    reason = reason_to_restart(*resumed_from_, relation, now, position_.columns);
  } else if (const auto xmin = python_xmin(output_.bookmark());
             xmin && has_wrapped_around(connection, *xmin)) {
    reason = kTooManyTransactions;
  }
  if (reason.empty()) {
    position_.done = resumed_from_ ? resumed_from_->done : std::vector<Oid>();
    return true;
  }
  log::warn("{}: cannot resume the interrupted copy: {}; restarting it", plan_.stream.id, reason);
  discard_copy();
  return false;
}

void FullTable::discard_copy() {
  Json& bookmark = output_.bookmark();
  bookmark.erase("copy");
  bookmark.erase("xmin");
  if (initial_snapshot_.open) {  // WAL is followed from the position of the next snapshot
    bookmark.erase("lsn");
  }
}

std::map<std::string, int> FullTable::attribute_numbers(const pg::Relation& relation,
                                                        const RowProjection& projection) {
  std::map<std::string, int> numbers;
  for (const pg::TableColumn& column : relation.columns) {
    if (std::ranges::find(projection.columns(), column.name) != projection.columns().end()) {
      numbers[column.name] = column.number;
    }
  }
  return numbers;
}

void FullTable::begin_stream(const RowProjection& projection, bool is_resumed) {
  Json& bookmark = output_.bookmark();
  const bool is_first_run = !bookmark.contains("version");
  // Rows that an earlier attempt of this run sent without a position to resume from need a version that is
  // never activated.
  if (is_first_run || (!is_resumed && (!output_.has_begun() || output_.rows() > 0))) {
    renew_version(bookmark);
    bookmark.erase("xmin");
    bookmark.erase("copy");
    if (initial_snapshot_.open) {
      bookmark.erase("lsn");  // without `copy` it would mean that the initial snapshot is complete
    }
  }
  if (output_.has_begun()) {
    return;
  }
  if (is_resumed) {
    log::info("{}: resuming the interrupted copy", plan_.stream.id);
  }
  time_extracted_ = utc_now();
  const auto version = bookmark["version"].get<std::int64_t>();
  output_.begin(projection.columns(), {});
  if (is_first_run) {
    output_.activate_version(version);
  }
}

void FullTable::finish_stream(const pg::Relation& relation, std::int64_t version) {
  output_.activate_version(version);
  Json& bookmark = output_.bookmark();
  bookmark.erase("copy");
  if (!plan_.stream.is_view) {
    bookmark["xmin"] = nullptr;
  }
  if (initial_snapshot_.finish && follow_from_) {
    initial_snapshot_.finish(bookmark, relation, *follow_from_, snapshot_xmax(position_.origin));
  }
  has_position_ = false;
  output_.end();
}

void FullTable::read_partition(pg::Connection& connection, const pg::Partition& partition,
                               const pg::Relation& relation, const RowProjection& projection,
                               const singer::RecordFrame& frame) {
  if (has_position_) {  // at the end of the previous partition
    write_state_if_due();
  }
  // Child tables are partitions of their own here.
  const bool is_only =
      relation.kind == pg::RelationKind::table || relation.kind == pg::RelationKind::partitioned;
  const auto select = [&](const char* ctid) {
    return fmt::format("SELECT {}{} FROM {}{}", ctid, projection.select_list(), is_only ? "ONLY " : "",
                       partition.name);
  };
  // Changed rows of a finished partition do not move the position. Neither does a copy that a Python tap
  // began: it can only be resumed from its own xmin.
  const bool is_done = position_.is_done(partition.oid);
  const bool moves_position = partition.has_ctid && !is_done && since_python_xmin_.empty();
  if (moves_position && files_.contains(partition.oid)) {
    read_ranges(connection, select(""), partition, projection, frame);
  } else {
    std::string condition;
    if (resumed_from_) {
      condition = remaining_rows_condition(*resumed_from_, partition, connection.version());
    } else if (partition.has_ctid) {
      condition = since_python_xmin_;
    }
    read_rows(connection, with_condition(select(moves_position ? "ctid, " : ""), condition),
              moves_position ? &partition : nullptr, projection, frame);
  }
  if (!is_done) {
    position_.done.push_back(partition.oid);
  }
}

void FullTable::read_ranges(pg::Connection& connection, const std::string& select,
                            const pg::Partition& partition, const RowProjection& projection,
                            const singer::RecordFrame& frame) {
  Ctid after;
  if (resumed_from_ && resumed_from_->partition == partition.oid) {
    after = resumed_from_->ctid;
    const std::string changed = changed_rows_condition(*resumed_from_, connection.version());
    read_rows(connection, with_condition(select, changed), nullptr, projection, frame);
  }
  BlockRanges ranges(after, files_.at(partition.oid), {config_.state_every_time, config_.state_every_rows});
  for (auto batch = ranges.next(output_.rows_until_state()); !batch.empty();
       batch = ranges.next(output_.rows_until_state())) {
    std::vector<std::string> queries;
    for (const BlockRange& range : batch) {
      queries.push_back(with_condition(select, range_condition(range)));
    }
    pg::CopyReader reader(connection, queries);
    for (const BlockRange& range : batch) {
      const auto started = std::chrono::steady_clock::now();
      const std::uint64_t rows_before = output_.rows();
      while (const auto bytes = reader.next()) {
        Cursor row(*bytes);
        projection.take_field_count(row);
        output_.record(frame, [&](Buffer& out) { projection.append(row, out); });
      }
      ranges.note_finished(range, output_.rows() - rows_before, std::chrono::steady_clock::now() - started);
      move_position(partition, ranges.position_after(range));
      if (range.end) {
        write_state_if_due();
      }
    }
  }
}

void FullTable::read_rows(pg::Connection& connection, const std::string& query,
                          const pg::Partition* partition, const RowProjection& projection,
                          const singer::RecordFrame& frame) {
  const Ctid after = partition != nullptr && resumed_from_ && resumed_from_->partition == partition->oid
                         ? resumed_from_->ctid
                         : Ctid();
  pg::CopyReader reader(connection, query);
  while (const auto bytes = reader.next()) {
    Cursor row(*bytes);
    projection.take_field_count(row, partition == nullptr ? 0 : 1);
    const Ctid ctid = partition == nullptr ? Ctid() : read_ctid(row);
    const bool state_is_due = output_.record(frame, [&](Buffer& out) { projection.append(row, out); });
    if (ctid > after) {
      move_position(*partition, ctid);
    }
    if (state_is_due) {
      save_position();
      output_.write_state();
    }
  }
}

void FullTable::move_position(const pg::Partition& partition, Ctid ctid) {
  has_position_ = true;
  position_.partition = partition.oid;
  position_.relfilenode = partition.relfilenode;
  position_.ctid = ctid;
}

void FullTable::write_state_if_due() {
  if (output_.is_state_due()) {
    save_position();
    output_.write_state();
  }
}

void FullTable::save_position() {
  if (has_position_) {
    output_.bookmark()["copy"] = to_json(position_);
  }
}

}  // namespace tap::sync
