// SPDX-License-Identifier: Apache-2.0
// How a copy reads the rows of its partitions.
#include <algorithm>
#include <chrono>

#include <spdlog/fmt/fmt.h>

#include <tap/pg/copy_reader.hpp>

#include "full_table.hpp"
#include "parallel_reader.hpp"

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

void FullTable::read_partitions(pg::Connection& connection, const pg::Relation& relation,
                                const RowProjection& projection, const singer::RecordFrame& frame) {
  std::vector<pg::Partition> partitions = order_for_resume(relation.partitions, resumed_from_);
  const std::vector<pg::Partition> parallel = take_for_parallel(partitions);
  auto next = partitions.begin();
  // First what the position does not cover.
  for (; next != partitions.end() && is_begun(next->oid); ++next) {
    read_partition(connection, *next, relation, projection, frame);
  }
  if (!parallel.empty()) {
    read_in_parallel(connection, parallel, relation, projection, frame);
  }
  for (; next != partitions.end(); ++next) {
    read_partition(connection, *next, relation, projection, frame);
  }
}

TableQuery FullTable::query_for(const pg::Partition& partition, const pg::Relation& relation,
                                const RowProjection& projection, bool with_ctid) const {
  // Child tables are partitions of their own here.
  const bool is_only =
      relation.kind == pg::RelationKind::table || relation.kind == pg::RelationKind::partitioned;
  return {plan_, (with_ctid ? "ctid, " : "") + projection.select_list(),
          (is_only ? "ONLY " : "") + partition.name,
          with_ctid ? TableQuery::Order::file : TableQuery::Order::any};
}

bool FullTable::moves_position(const pg::Partition& partition) const {
  // Changed rows of a finished partition do not move the position.
  return partition.has_ctid && !position_.is_done(partition.oid);
}

void FullTable::read_partition(pg::Connection& connection, const pg::Partition& partition,
                               const pg::Relation& relation, const RowProjection& projection,
                               const singer::RecordFrame& frame) {
  if (has_position_) {  // at the end of the previous partition
    write_state_if_due();
  }
  const bool is_done = position_.is_done(partition.oid);
  const bool moves_position = this->moves_position(partition);
  if (moves_position && files_.contains(partition.oid)) {
    read_ranges(connection, query_for(partition, relation, projection), partition, projection, frame);
  } else {
    const std::string condition =
        resumed_from_ ? remaining_rows_condition(*resumed_from_, partition, connection.version()) : "";
    const TableQuery query = query_for(partition, relation, projection, moves_position);
    read_rows(connection, query.sql(condition), moves_position ? &partition : nullptr, projection, frame);
  }
  if (!is_done) {
    position_.done.push_back(partition.oid);
  }
}

void FullTable::read_ranges(pg::Connection& connection, const TableQuery& query,
                            const pg::Partition& partition, const RowProjection& projection,
                            const singer::RecordFrame& frame) {
  read_changes_before_ranges(connection, query, partition, projection, frame);
  BlockRanges ranges = ranges_of(partition);
  for (auto batch = ranges.next(output_.rows_until_state()); !batch.empty();
       batch = ranges.next(output_.rows_until_state())) {
    std::vector<std::string> queries;
    queries.reserve(batch.size());
    for (const BlockRange& range : batch) {
      queries.push_back(query.sql(range_condition(range)));
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

void FullTable::read_changes_before_ranges(pg::Connection& connection, const TableQuery& query,
                                           const pg::Partition& partition, const RowProjection& projection,
                                           const singer::RecordFrame& frame) {
  if (resumed_from_ && resumed_from_->partition == partition.oid) {
    const std::string changed = changed_rows_condition(*resumed_from_, connection.version());
    read_rows(connection, query.sql(changed), nullptr, projection, frame);
  }
}

BlockRanges FullTable::ranges_of(const pg::Partition& partition, std::size_t readers) const {
  return {start_of(partition),
          files_.at(partition.oid),
          {config_.state_every_time, config_.state_every_rows},
          readers};
}

Ctid FullTable::start_of(const pg::Partition& partition) const {
  return resumed_from_ && resumed_from_->partition == partition.oid ? resumed_from_->ctid : Ctid();
}

std::vector<pg::Partition> FullTable::take_for_parallel(std::vector<pg::Partition>& partitions) const {
  std::vector<pg::Partition> small;
  std::vector<pg::Partition> large;
  std::uint64_t ranges = 0;
  for (const pg::Partition& partition : partitions) {
    const bool is_in_ranges = moves_position(partition) && files_.contains(partition.oid);
    const std::uint64_t count = is_in_ranges ? ranges_of(partition).count_of_first_size() : 0;
    (count >= BlockRanges::kLeastOfReader ? large : small).push_back(partition);
    ranges += count;
  }
  if (config_.parallel == 1 || ranges < BlockRanges::kLeastOfReader * config_.parallel) {
    return {};
  }
  partitions = std::move(small);
  return large;
}

void FullTable::read_in_parallel(pg::Connection& connection, const std::vector<pg::Partition>& partitions,
                                 const pg::Relation& relation, const RowProjection& projection,
                                 const singer::RecordFrame& frame) {
  std::vector<TableQuery> queries;
  std::vector<BlockRanges> ranges;
  for (const pg::Partition& partition : partitions) {
    queries.push_back(query_for(partition, relation, projection));
    ranges.push_back(ranges_of(partition, config_.parallel));
    read_changes_before_ranges(connection, queries.back(), partition, projection, frame);
  }
  const auto readers =
      open_readers(connection, plan_.database, queries, config_.parallel - 1, plan_.stream.id);
  std::vector<pg::Connection*> connections = {&connection};
  for (const auto& reader : readers) {
    connections.push_back(reader.get());
  }
  sync::read_in_parallel(
      {RangeQueue(std::move(ranges), connections.size()), std::move(queries), projection, frame,
       plan_.stream.id},
      connections, [&](std::string_view lines, std::uint64_t rows) { output_.records(lines, rows); },
      [&](const RangeQueue::Position& position) {
        const pg::Partition& partition = partitions[position.partition];
        move_position(partition, position.ctid);
        if (position.is_end) {
          position_.done.push_back(partition.oid);
        } else {
          write_state_if_due();
        }
      });
}

void FullTable::read_rows(pg::Connection& connection, const std::string& query,
                          const pg::Partition* partition, const RowProjection& projection,
                          const singer::RecordFrame& frame) {
  const Ctid after = partition != nullptr ? start_of(*partition) : Ctid();
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
  has_position_ = is_resumable_;
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
