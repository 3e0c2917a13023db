// SPDX-License-Identifier: Apache-2.0
#include "record_writer.hpp"

#include <algorithm>

#include <spdlog/fmt/fmt.h>

#include <tap/base/log.hpp>
#include <tap/pg/quote.hpp>

#include "sync/bookmark.hpp"

namespace tap::sync {

namespace {

using change::Change;
using change::Field;

value::Encoder timestamptz_encoder(const config::Config& config) {
  constexpr Oid timestamptz = 1184;
  TypeRows types;
  types[timestamptz].name = "timestamptz";
  return {value::resolve(types, timestamptz, -1), value::Wire::text, config.values, "_sdc_deleted_at"};
}

const Field* find_field(const std::vector<Field>& fields, std::string_view name) {
  const auto field = std::ranges::find(fields, name, &Field::name);
  return field == fields.end() ? nullptr : &*field;
}

bool is_same(std::string_view a, std::string_view b) {
  return (a.data() == nullptr) == (b.data() == nullptr) && a == b;
}

/// The row has another key now: the target knows it by the old one.
bool changes_key(const WalStream& stream, const Change& change) {
  return std::ranges::any_of(stream.plan.stream.key_properties, [&](const std::string& name) {
    const Field* const before = find_field(change.identity, name);
    const Field* const now = find_field(change.columns, name);
    return before != nullptr && now != nullptr && !is_same(before->value, now->value);
  });
}

/// Its value in a change is the one that the record gets.
bool is_written(const ChangeColumn* column) {
  return column != nullptr && column->synced && column->in_wal;
}

/// Once a stream for each of the two causes.
void warn_of_left_out(WalStream& stream, const std::vector<ChangeColumn*>& columns, const Change& change) {
  const auto first = [&](bool in_wal) {
    const auto column = std::ranges::find(columns, in_wal, &ChangeColumn::in_wal);
    return column == columns.end() ? nullptr : *column;
  };
  if (const ChangeColumn* const column = first(false);
      column != nullptr && !std::exchange(stream.warned_of_virtual, true)) {
    log::warn(
        "{}: virtual generated column {} is left out of records, since WAL does not have it and the row "
        "cannot be read by its key",
        stream.plan.stream.id, column->name);
  }
  if (const ChangeColumn* const column = first(true);
      column != nullptr && !std::exchange(stream.warned_of_unchanged, true)) {
    log::warn(
        "{}: column {} is left out of records of updates that do not change it, since WAL does not have it: "
        "ALTER TABLE {} REPLICA IDENTITY FULL",
        stream.plan.stream.id, column->name, pg::quote_qualified(change.schema, change.table));
  }
}

/// How to find a row in its table by what the log has of it; empty if there is no way.
std::vector<std::pair<std::string, std::string>> key_of(WalStream& stream, const std::vector<Field>& fields,
                                                        const std::vector<Field>& others) {
  std::vector<std::pair<std::string, std::string>> key;
  for (const std::string& name : stream.key) {
    const Field* field = find_field(fields, name);
    field = field == nullptr ? find_field(others, name) : field;
    if (field == nullptr || field->value.data() == nullptr) {
      return {};
    }
    std::size_t hint = 0;
    const ChangeColumn* const column = stream.shape.find(name, hint);
    const bool is_bytea = column != nullptr && column->is_bytea;
    key.emplace_back(name, (is_bytea ? "\\x" : "") + std::string(field->value));
  }
  return key;
}

}  // namespace

RecordWriter::RecordWriter(const config::Config& config, singer::Writer& writer, CommitVisibility& visibility,
                           std::string time_extracted, ToastBackfill::OnFault on_fault)
    : config_(config),
      writer_(writer),
      visibility_(visibility),
      time_extracted_(std::move(time_extracted)),
      commit_time_(timestamptz_encoder(config)),
      backfill_(std::move(on_fault)) {}

void RecordWriter::write(pg::Connection& connection, WalStream& stream, const Change& change, Lsn lsn) {
  try {
    write_change(connection, stream, change, lsn);
  } catch (const value::Malformed&) {
    look_again(connection, stream);  // a column has another type now, or it had when this was written
    try {
      write_change(connection, stream, change, lsn);
    } catch (const value::Malformed&) {
      stream.shape.accept_untyped();
      write_change(connection, stream, change, lsn);
    }
  }
  if (backfill_.is_full()) {
    release(connection);
  }
}

void RecordWriter::write_change(pg::Connection& connection, WalStream& stream, const Change& change,
                                Lsn lsn) {
  if (change.kind == Change::Kind::remove) {
    write_delete(stream, change, lsn);
  } else if (change.kind == Change::Kind::truncate) {
    truncate(connection, stream, change, lsn);
  } else {
    resolve(connection, stream, change.columns);
    write_new_row(connection, stream, change, lsn);
  }
}

void RecordWriter::release(pg::Connection& connection) {
  visibility_.await_rows(connection);
  backfill_.release(connection, writer_);
}

void RecordWriter::restart() {
  backfill_.forget();
  visibility_.forget_rows();
  truncated_.clear();
  renewed_.clear();
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
  if (row == nullptr && backfill_.empty()) {
    stream.bytes += writer_.record(stream.frame, fill_all);
  } else {
    stream.bytes += backfill_.record(stream.frame, fill_all, row);
    if (row != nullptr) {
      visibility_.note_row();
    }
  }
  ++stream.records;
  ++count_;
}

void RecordWriter::look_again(pg::Connection& connection, WalStream& stream) {
  release(connection);  // what is held points at the columns as they were
  visibility_.await_in_hand(connection);
  if (stream.look_again(connection, config_)) {
    log::info("{}: the table has other columns now", stream.plan.stream.id);
    writer_.schema(stream.plan.name, stream.schema, stream.plan.stream.key_properties, {"lsn"});
  }
  // Columns come and go: what is settled now may be asked again later.
  const auto is_there = [&](const std::string& name) {
    return std::ranges::find(stream.shape.columns(), name, &ChangeColumn::name) !=
           stream.shape.columns().end();
  };
  std::erase_if(stream.unknown, is_there);
  std::erase_if(stream.missing, std::not_fn(is_there));
}

void RecordWriter::resolve(pg::Connection& connection, WalStream& stream, const std::vector<Field>& fields) {
  columns_.clear();
  std::size_t hint = 0;
  for (const Field& field : fields) {
    ChangeColumn* const column = stream.shape.find(field.name, hint);
    if (column == nullptr && stream.unknown.insert(std::string(field.name)).second) {
      look_again(connection, stream);
      resolve(connection, stream, fields);
      return;
    }
    columns_.push_back(column);
  }
}

void RecordWriter::write_new_row(pg::Connection& connection, WalStream& stream, const Change& change,
                                 Lsn lsn) {
  RowToFetch row{.stream = &stream};
  std::vector<std::pair<ChangeColumn*, std::string_view>> unchanged;
  if (static_cast<std::size_t>(std::ranges::count_if(columns_, is_written)) < stream.shape.synced()) {
    for (ChangeColumn& column : stream.shape.columns()) {
      if (!column.synced || (column.in_wal && std::ranges::find(columns_, &column) != columns_.end())) {
        continue;
      }
      const Field* const before = column.in_wal ? find_field(change.identity, column.name) : nullptr;
      if (before != nullptr) {
        unchanged.emplace_back(&column, before->value);
        continue;
      }
      if (column.in_wal && change.kind == Change::Kind::insert && stream.missing.insert(column.name).second) {
        look_again(connection, stream);  // dropped, perhaps: an insert has every column that there is
        resolve(connection, stream, change.columns);
        write_new_row(connection, stream, change, lsn);
        return;
      }
      row.columns.push_back(&column);
    }
  }
  if (!row.columns.empty()) {
    row.key =
        config_.log.fetch_unsent ? key_of(stream, change.columns, change.identity) : decltype(row.key)();
    if (row.key.empty()) {
      warn_of_left_out(stream, row.columns, change);
    }
  }
  if (change.kind == Change::Kind::update && changes_key(stream, change)) {
    write_delete(stream, change, lsn);
  }
  write_record(stream, lsn, "", row.key.empty() ? nullptr : &row, [&](Buffer& out) {
    bool first = true;
    const auto append = [&](ChangeColumn& column, std::string_view value) {
      if (!first) {
        out.push(',');
      }
      first = false;
      stream.shape.append(column, value, out);
    };
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (is_written(columns_[i])) {
        append(*columns_[i], change.columns[i].value);
      }
    }
    for (const auto& [column, value] : unchanged) {
      append(*column, value);
    }
  });
}

void RecordWriter::write_delete(WalStream& stream, const Change& change, Lsn lsn) {
  write_record(stream, lsn, change.commit_time, nullptr, [&](Buffer& out) {
    std::size_t hint = 0;
    bool first = true;
    for (const Field& field : change.identity) {
      ChangeColumn* const column = stream.shape.find(field.name, hint);
      if (is_written(column)) {
        if (!first) {
          out.push(',');
        }
        first = false;
        stream.shape.append(*column, field.value, out);
      }
    }
  });
  if (stream.keys_may_cross) {
    write_row_again(stream, change, lsn);
  }
}

/// Another row may have come to the key before this one left it: `UPDATE t SET id = id + 1`. The target would
/// lose it by the delete, so that what has the key now follows.
void RecordWriter::write_row_again(WalStream& stream, const Change& change, Lsn lsn) {
  RowToFetch row{.stream = &stream, .key = key_of(stream, change.identity, change.identity), .is_all = true};
  if (row.key.empty()) {
    return;
  }
  for (ChangeColumn& column : stream.shape.columns()) {
    if (column.synced) {
      row.columns.push_back(&column);
    }
  }
  write_record(stream, lsn, "", &row, [](Buffer&) {});
}

/// By one command: the log has all tables of it at one position. What came between two commands must stay.
bool RecordWriter::is_emptied(pg::Connection& connection, const WalStream& stream, Lsn lsn) {
  if (stream.tables.front().is_partitioned || !stream.has_partitions()) {
    return truncated_.back().table == stream.own_name();
  }
  const auto is_truncated = [&](const pg::TableName& table) {
    return std::ranges::find(truncated_, Truncated{&stream, lsn, table}) != truncated_.end();
  };
  visibility_.await_in_hand(connection);
  const auto now =
      pg::replica_identities(connection, {stream.own_name()}).front();  // others may be its heirs now
  return !now.empty() && std::ranges::all_of(now, is_truncated, &pg::ReplicaIdentity::name);
}

void RecordWriter::truncate(pg::Connection& connection, WalStream& stream, const Change& change, Lsn lsn) {
  truncated_.push_back({&stream, lsn, {std::string(change.schema), std::string(change.table)}});
  if (!stream.version || !is_emptied(connection, stream, lsn)) {
    return;
  }
  renewed_.insert(&stream);
  release(connection);
  stream.start_new_version(time_extracted_);
  writer_.activate_version(stream.plan.name, *stream.version);
}

bool RecordWriter::end_transaction() {
  for (const auto& [stream, lsn, table] : truncated_) {
    if (!renewed_.contains(stream)) {
      log::warn(
          "{}: {} was truncated; its rows stay in the target, since Singer can only empty a whole stream: "
          "sync it anew with --full-refresh {}",
          stream->plan.stream.id, pg::quote_qualified(table.schema, table.table), stream->plan.stream.id);
    }
  }
  truncated_.clear();
  return !std::exchange(renewed_, {}).empty();
}

}  // namespace tap::sync
