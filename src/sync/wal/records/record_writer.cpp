// SPDX-License-Identifier: Apache-2.0
#include "record_writer.hpp"

#include <utility>

#include <spdlog/fmt/fmt.h>

#include <tap/base/log.hpp>

#include "sync/bookmark.hpp"

namespace tap::sync {

namespace {

using change::Change;
using change::Field;

value::Encoder commit_time_encoder(const config::Config& config) {
  TypeRows types;
  types[oids::kTimestamptz].name = "timestamptz";
  return {value::resolve(types, oids::kTimestamptz, -1), value::Format::text, config.values,
          "_sdc_deleted_at"};
}

bool is_same(std::string_view a, std::string_view b) {
  return (a.data() == nullptr) == (b.data() == nullptr) && a == b;
}

/// The target knows the row by its old key, which must be deleted.
bool changes_key(const WalStream& stream, const Change& change) {
  return std::ranges::any_of(stream.plan.stream.key_properties, [&](const std::string& name) {
    const Field* const before = find_field(change.identity, name);
    const Field* const now = find_field(change.columns, name);
    return before != nullptr && now != nullptr && stream.is_known(change, *before) &&
           !is_same(before->value, now->value);
  });
}

/// A record without its key would be lost in the target, or spoil another row.
void require_key(const WalStream& stream, const std::vector<ChangeColumn*>& missing) {
  for (const ChangeColumn* const column : missing) {
    if (stream.plan.stream.is_key(column->name)) {
      throw StreamError(Problem{
          fmt::format("a change in WAL does not have key column {}", column->name),
          "it was not published, or not part of the table, when the change was made; once it is published, "
          "run with --full-refresh " +
              stream.plan.stream.id});
    }
  }
}

/// Records get the column's value from the change.
bool is_written(const ChangeColumn* column) {
  return column != nullptr && column->is_synced && column->is_in_wal;
}

}  // namespace

RecordWriter::RecordWriter(const config::Config& config, singer::Writer& writer, CommitVisibility& visibility,
                           std::string time_extracted, ToastBackfill::OnError on_error)
    : config_(config),
      writer_(writer),
      visibility_(visibility),
      time_extracted_(std::move(time_extracted)),
      commit_time_(commit_time_encoder(config)),
      backfill_(std::move(on_error)),
      truncates_(visibility) {}

void RecordWriter::write(TableLookup& lookup, WalStream& stream, const Change& change, Lsn lsn) {
  if (change.kind == Change::Kind::truncate) {
    write_truncate(lookup, stream, change, lsn);
  } else {
    write_row_change(lookup, stream, change, lsn);
  }
  if (backfill_.is_full()) {
    write_pending(lookup);
  }
}

/// Tries with the table as known, then as it is now, then without regard to the types of its columns: the
/// change may be older or newer than either.
void RecordWriter::write_row_change(TableLookup& lookup, WalStream& stream, const Change& change, Lsn lsn) {
  bool is_looked_up = false;
  while (true) {
    if ((find_columns(stream, change) || is_looked_up) && try_write(stream, change, lsn)) {
      return;
    }
    if (is_looked_up) {
      stream.change_schema.accept_untyped();
      continue;
    }
    try {
      look_up_table(lookup, stream);
    } catch (...) {  // the next attempt must look the table up for the same names
      stream.unknown_columns.clear();
      stream.missing_columns.clear();
      throw;
    }
    is_looked_up = true;
  }
}

/// Finds the columns of a new row. False if the table must have been altered since it was last looked up: the
/// change has a column that the table lacked then, or is an insert that lacks a column the table had.
bool RecordWriter::find_columns(WalStream& stream, const Change& change) {
  columns_.clear();
  absent_.clear();
  if (change.kind == Change::Kind::remove) {
    return true;
  }
  bool is_as_known = true;
  std::size_t hint = 0;
  for (const Field& field : change.columns) {
    ChangeColumn* const column = stream.change_schema.find(field.name, hint);
    columns_.push_back(column);
    if (column == nullptr && stream.unknown_columns.insert(std::string(field.name)).second) {
      is_as_known = false;
    }
  }
  const auto written = static_cast<std::size_t>(std::ranges::count_if(columns_, is_written));
  if (written == stream.change_schema.synced_count()) {
    return is_as_known;
  }
  for (ChangeColumn& column : stream.change_schema.columns()) {
    const bool is_sent = column.is_in_wal && std::ranges::find(columns_, &column) != columns_.end();
    if (!column.is_synced || is_sent) {
      continue;
    }
    absent_.push_back(&column);
    if (column.is_in_wal && change.kind == Change::Kind::insert &&
        stream.missing_columns.insert(column.name).second) {
      is_as_known = false;
    }
  }
  return is_as_known;
}

void RecordWriter::look_up_table(TableLookup& lookup, WalStream& stream) {
  write_pending(lookup);  // pending records point to the columns as they were
  visibility_.await_current(lookup);
  if (stream.look_up(lookup, config_)) {
    log::info("{}: the table has other columns now; a new SCHEMA follows", stream.plan.stream.id);
    writer_.schema(stream.plan.name, stream.schema, stream.plan.stream.key_properties, {"lsn"});
  }
}

/// False if a value does not fit the type of its column: the type was changed before or after the change.
bool RecordWriter::try_write(WalStream& stream, const Change& change, Lsn lsn) {
  try {
    if (change.kind == Change::Kind::remove) {
      write_delete(stream, change, lsn);
    } else {
      write_new_row(stream, change, lsn);
    }
    return true;
  } catch (const value::InvalidValue&) {
    if (stream.change_schema.accepts_untyped()) {
      throw;
    }
    return false;
  }
}

void RecordWriter::write_new_row(WalStream& stream, const Change& change, Lsn lsn) {
  RowToFetch row{.stream = &stream};
  std::vector<std::pair<ChangeColumn*, const Field*>> unchanged;
  for (ChangeColumn* const column : absent_) {
    const Field* const before = column->is_in_wal ? find_field(change.identity, column->name) : nullptr;
    if (before != nullptr && stream.is_known(change, *before)) {
      unchanged.emplace_back(column, before);
    } else {
      row.columns.push_back(column);
    }
  }
  if (!row.columns.empty()) {
    row.key = config_.log.fetch_unchanged_toast ? stream.row_key(change.columns, change.identity) : RowKey();
    if (row.key.empty()) {
      require_key(stream, row.columns);
      stream.warn_of_left_out(row.columns, change);
    }
  }
  if (change.kind == Change::Kind::update && changes_key(stream, change)) {
    write_delete(stream, change, lsn);
  }
  write_record(stream, lsn, "", row.key.empty() ? nullptr : &row, [&](Buffer& out) {
    bool is_first = true;
    const auto append = [&](ChangeColumn& column, const Field& field) {
      if (!std::exchange(is_first, false)) {
        out.push(',');
      }
      stream.change_schema.append(column, field, out);
    };
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (is_written(columns_[i])) {
        append(*columns_[i], change.columns[i]);
      }
    }
    for (const auto& [column, field] : unchanged) {
      append(*column, *field);
    }
  });
}

void RecordWriter::write_delete(WalStream& stream, const Change& change, Lsn lsn) {
  stream.warn_of_delete_without_key(change);
  write_record(stream, lsn, change.commit_time, nullptr, [&](Buffer& out) {
    std::size_t hint = 0;
    bool is_first = true;
    for (const Field& field : change.identity) {
      ChangeColumn* const column = stream.change_schema.find(field.name, hint);
      if (is_written(column) && stream.is_known(change, field)) {
        if (!std::exchange(is_first, false)) {
          out.push(',');
        }
        stream.change_schema.append(*column, field, out);
      }
    }
  });
  if (stream.keys_may_overlap) {
    write_current_row(stream, change, lsn);
  }
}

/// Writes the row that has the deleted key now. Another row may have got the key before this one lost it, as
/// in `UPDATE t SET id = id + 1`, and the target would lose that row by the delete.
void RecordWriter::write_current_row(WalStream& stream, const Change& change, Lsn lsn) {
  RowToFetch row{
      .stream = &stream, .key = stream.row_key(change.identity, change.identity), .has_only_fetched = true};
  if (row.key.empty()) {
    return;
  }
  for (ChangeColumn& column : stream.change_schema.columns()) {
    if (column.is_synced) {
      row.columns.push_back(&column);
    }
  }
  write_record(stream, lsn, "", &row, [](Buffer&) {});
}

template <class Fill>
void RecordWriter::write_record(WalStream& stream, Lsn lsn, std::string_view deleted_at,
                                const RowToFetch* row, Fill fill) {
  if (config_.log.sequence) {
    sequence_ = next_version(sequence_);
    stream.set_sequence(sequence_);
  }
  const auto fill_all = [&](Buffer& out) {
    const std::size_t start = out.size();
    fill(out);
    out.append(out.size() == start ? R"("_sdc_deleted_at":)" : R"(,"_sdc_deleted_at":)");
    if (deleted_at.empty()) {
      out.append("null");
    } else {
      commit_time_(deleted_at, out);
    }
    if (config_.log.lsn_column) {
      out.append(fmt::format(R"(,"_sdc_lsn":"{}")", lsn.value));
    }
  };
  if (row == nullptr && backfill_.is_empty()) {
    stream.bytes += writer_.record(stream.frame, fill_all);
  } else {
    stream.bytes += backfill_.record(stream.frame, fill_all, row);
    if (row != nullptr) {
      visibility_.note_row_to_read();
    }
  }
  ++stream.records;
  ++count_;
}

void RecordWriter::write_truncate(TableLookup& lookup, WalStream& stream, const Change& change, Lsn lsn) {
  if (truncates_.add(lookup, stream, change, lsn)) {
    write_pending(lookup);
    stream.start_new_version(time_extracted_);
    if (config_.emit_activate_version) {
      writer_.activate_version(stream.plan.name, *stream.version);
    }
  }
}

bool RecordWriter::end_transaction() {
  return truncates_.end_transaction();
}

void RecordWriter::write_pending(TableLookup& lookup) {
  visibility_.await_noted(lookup);
  backfill_.release(lookup, writer_);
}

void RecordWriter::discard_pending() {
  backfill_.clear();
  visibility_.forget_noted();
  truncates_.clear();
}

}  // namespace tap::sync
