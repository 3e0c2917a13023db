// SPDX-License-Identifier: Apache-2.0
#include "full_table.hpp"

#include <algorithm>

#include <spdlog/fmt/fmt.h>

#include <tap/base/clock.hpp>
#include <tap/base/log.hpp>
#include <tap/pg/quote.hpp>

#include "resumable_filter.hpp"
#include "sync/bookmark.hpp"
#include "sync/bookmark_lsn.hpp"

namespace tap::sync {

namespace {

/// True if a Python tap left the bookmark in the middle of a copy.
bool has_python_xmin(const Json& bookmark) {
  const auto xmin = bookmark.find("xmin");
  return xmin != bookmark.end() && !xmin->is_null() && !bookmark.contains("copy");
}

std::vector<std::string> column_names(const pg::Relation& relation) {
  std::vector<std::string> names;
  for (const pg::TableColumn& column : relation.columns) {
    names.push_back(column.name);
  }
  return names;
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
  is_resumable_ = !relation.has_row_security;
  begin_stream(projection, resumed_from_.has_value());

  const auto version = output_.bookmark()["version"].get<std::int64_t>();
  const singer::RecordFrame frame(plan_.name, version, time_extracted_);
  if (relation.reads_each_partition) {
    read_partitions(connection, relation, projection, frame);
  } else {
    const std::string name = pg::quote_qualified(plan_.stream.schema_name, plan_.stream.table);
    read_rows(connection, TableQuery(plan_, projection.select_list(), name).sql(), nullptr, projection,
              frame);
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
  follow_from_.reset();
  if (const auto lsn =
          oldest_needed_lsn(bookmark)) {  // of an interrupted copy: the slot keeps WAL from there
    follow_from_ = FollowFrom{*lsn};
  }
  pg::Relation relation =
      transactions_.open(connection, plan_, follow_from_ ? OpenInitialSnapshot() : initial_snapshot_.open,
                         resumed_from_.has_value());
  if (!follow_from_) {
    follow_from_ = transactions_.follow_from();
  }
  output_.expect(relation.rows, 0);
  transactions_.configure(connection, settings_for_scans(connection.version()));
  files_.clear();
  if (!has_subquery(plan_.where)) {  // each range would run it again
    files_ = files_to_read_in_ranges(relation, connection.version());
  }
  return relation;
}

bool FullTable::choose_start(pg::Connection& connection, const pg::Relation& relation,
                             const RowProjection& projection) {
  position_ = {};
  position_.origin = transactions_.origin(connection);
  position_.origin.replayed = replay_lsn_;
  position_.columns = attribute_numbers(relation, projection);
  position_.definitions = column_definitions(relation, position_.columns, !plan_.where.empty());
  position_.expressions = virtual_expressions(relation, position_.columns);
  position_.where = to_sql(plan_.where);
  position_.lsn = follow_from_ ? std::optional(follow_from_->lsn) : std::nullopt;
  std::string reason;
  if (resumed_from_) {
    reason =
        reason_to_restart(*resumed_from_, relation, position_.origin, position_.columns, position_.where);
    if (reason.empty() && !depends_only_on_row(plan_.where, plan_.stream.table, column_names(relation))) {
      reason = "its row filter (where) may depend on more than the row's own columns";
    }
  } else if (has_python_xmin(output_.bookmark())) {
    reason = "another tap started it, in another order";
  }
  if (reason.empty()) {
    position_.done = resumed_from_ ? resumed_from_->done : std::vector<Oid>();
    output_.expect(
        relation.rows,
        resumed_from_ ? estimate_covered_rows(*resumed_from_, relation.partitions, relation.rows) : 0);
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
                                                        const RowProjection& projection) const {
  std::map<std::string, int> numbers;
  for (const pg::TableColumn& column : relation.columns) {
    const bool may_be_in_filter = !plan_.where.empty();
    if (may_be_in_filter ||
        std::ranges::find(projection.columns(), column.name) != projection.columns().end()) {
      numbers[column.name] = column.number;
    }
  }
  return numbers;
}

void FullTable::begin_stream(const RowProjection& projection, bool is_resumed) {
  Json& bookmark = output_.bookmark();
  const bool is_first_run = !bookmark.contains("version");
  // Rows that were sent before, by this run or by the one that it resumed, and are not resumed from now, need
  // a version that is never activated.
  const bool is_unused = has_new_version_ && output_.rows() == 0;
  if (is_first_run || !(is_resumed || is_unused)) {
    renew_version(bookmark);
    has_new_version_ = true;
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
  output_.begin(projection.columns(), projection.new_properties(), {});
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

}  // namespace tap::sync
