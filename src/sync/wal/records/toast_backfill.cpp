// SPDX-License-Identifier: Apache-2.0
#include "toast_backfill.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <limits>
#include <map>
#include <string>
#include <string_view>

#include <tap/base/log.hpp>

namespace tap::sync {

namespace {

constexpr std::size_t kMaxRows = 200;         // per query
constexpr std::size_t kMaxBytes = 1U << 20U;  // about: of lines that wait, and of the values read for them
constexpr std::size_t kGrowth = 4;            // of the batch size, after a query that returned little

/// The error means that the table was altered after the change was written. Codes: manual, PostgreSQL Error
/// Codes.
bool is_of_altered_table(const pg::ServerError& error) {
  constexpr std::array codes = {"42P01", "42703", "42883"};  // undefined table, column, operator
  constexpr std::string_view data_exception = "22";          // a key column has another type now
  return std::ranges::find(codes, error.sqlstate()) != codes.end() ||
         error.sqlstate().starts_with(data_exception);
}

}  // namespace

bool ToastBackfill::is_full() const {
  return pending_rows_.size() >= batch_size_ || lines_.size() >= kMaxBytes;
}

void ToastBackfill::fetch(TableLookup& lookup, const std::vector<PendingRow*>& rows, std::size_t max_bytes) {
  WalStream& stream = *rows.front()->row.stream;
  while (!stream.failed) {
    try {
      read(lookup, rows, max_bytes);
      return;
    } catch (const pg::ServerError& error) {
      if (error.is_transient()) {
        throw;
      }
      if (!is_of_altered_table(error)) {
        on_error_(stream, error);
        return;
      }
      if (!leave_out_dropped(lookup, rows)) {
        log::warn("{}: columns that an update did not send are left out, since they cannot be read: {}",
                  stream.plan.stream.id, error.what());
        return;
      }
    }
  }
}

/// True if some of the columns were dropped and others are left.
bool ToastBackfill::leave_out_dropped(TableLookup& lookup, const std::vector<PendingRow*>& rows) {
  const auto relation = lookup.find_relation(rows.front()->row.stream->table_name());
  if (!relation) {
    return false;
  }
  const std::vector<ChangeColumn*> before = rows.front()->row.columns;
  std::vector<ChangeColumn*> left;
  std::ranges::copy_if(before, std::back_inserter(left), [&](const ChangeColumn* column) {
    return std::ranges::find(relation->columns, column->name, &pg::TableColumn::name) !=
           relation->columns.end();
  });
  for (PendingRow* const row : rows) {
    row->row.columns = left;
  }
  return !left.empty() && left.size() < before.size();
}

void ToastBackfill::read(TableLookup& lookup, const std::vector<PendingRow*>& rows, std::size_t max_bytes) {
  WalStream& stream = *rows.front()->row.stream;
  const std::vector<ChangeColumn*>& columns = rows.front()->row.columns;
  RowsByKey wanted{stream.table_name(), stream.relation, {}, {}, max_bytes, to_sql(stream.plan.where)};
  for (const ChangeColumn* const column : columns) {
    wanted.columns.push_back(column->name);
  }
  for (const PendingRow* const row : rows) {
    wanted.keys.push_back(&row->row.key);
  }
  const FetchedRows found = lookup.read_rows(wanted);
  for (std::size_t i = 0; i < found.size(); ++i) {
    PendingRow& row = *rows[found.key(i)];
    row.is_large = found.is_too_large(i);
    row.fetched.clear();
    for (std::size_t column = 0; column < columns.size() && !row.is_large; ++column) {
      row.fetched.push(',');
      stream.change_schema.append_from_server(*columns[column], found.value(i, column), row.fetched);
    }
  }
}

void ToastBackfill::release(TableLookup& lookup, singer::Writer& writer) {
  std::map<std::pair<WalStream*, std::vector<ChangeColumn*>>, std::vector<PendingRow*>> alike;
  for (PendingRow& row : pending_rows_) {
    alike[{row.row.stream, row.row.columns}].push_back(&row);
  }
  for (const auto& [stream_and_columns, rows] : alike) {
    fetch(lookup, rows, kMaxBytes / rows.size() * kGrowth);
  }
  const std::string_view lines = lines_.view();
  std::size_t written = 0;
  std::size_t bytes_read = 0;
  for (PendingRow& row : pending_rows_) {
    if (row.is_large) {  // only whole lines have been written if this throws
      fetch(lookup, {&row}, std::numeric_limits<std::int32_t>::max());
    }
    writer.part(lines.substr(written, row.start - written));
    written = row.end;
    WalStream& stream = *row.row.stream;
    if (stream.failed || (row.row.has_only_fetched && row.fetched.empty())) {
      stream.bytes -= row.end - row.start;
      --stream.records;
      continue;
    }
    writer.part(lines.substr(row.start, row.insert_at - row.start));
    writer.part(row.fetched.view());
    writer.part(lines.substr(row.insert_at, row.end - row.insert_at));
    writer.end_of_line();
    stream.bytes += row.fetched.size();
    bytes_read += std::exchange(row.fetched, Buffer()).size();
  }
  writer.part(lines.substr(written));
  writer.end_of_line();
  adjust_batch(bytes_read);
  clear();
}

void ToastBackfill::adjust_batch(std::size_t bytes_read) {
  if (!pending_rows_.empty()) {
    const std::size_t affordable = kMaxBytes / (bytes_read / pending_rows_.size() + 1);
    batch_size_ = std::clamp(affordable, std::size_t{1}, std::min(kMaxRows, batch_size_ * kGrowth));
  }
}

void ToastBackfill::clear() {
  lines_.shrink(2 * kMaxBytes);
  pending_rows_.clear();
}

}  // namespace tap::sync
