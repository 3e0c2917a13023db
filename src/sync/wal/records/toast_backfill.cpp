// SPDX-License-Identifier: Apache-2.0
#include "toast_backfill.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <limits>
#include <map>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include <tap/base/log.hpp>
#include <tap/pg/quote.hpp>

#include "sync/bookmark.hpp"

namespace tap::sync {

namespace {

constexpr std::size_t kMostRows = 200;         // of one query
constexpr std::size_t kMostBytes = 1U << 20U;  // of lines that wait, and of what is read for them, about
constexpr std::size_t kGrowth = 4;             // of a query after one that brought little

/// The type that a key's literal must be given: what the server takes it for beside the operator is a record
/// of any type, which has no text form, or the number of an object instead of its name. Empty for all others.
std::string literal_type(const TypeRows& types, Oid type) {
  const TypeRow& row = type_row(types, base_type(types, type));
  const bool is_needed = row.kind == 'c' || (row.schema == "pg_catalog" && row.name.starts_with("reg"));
  return is_needed ? "::" + pg::quote_qualified(row.schema, row.name) : "";
}

std::string condition_of(const RowToFetch& row) {
  std::string condition;
  for (const auto& [name, value] : row.key) {
    const pg::Relation& relation = row.stream->relation;
    const auto column = std::ranges::find(relation.columns, name, &pg::TableColumn::name);
    const bool is_known = column != relation.columns.end();
    condition +=
        fmt::format("{}{} OPERATOR({}.=) {}{}", condition.empty() ? "" : " AND ", pg::quote_identifier(name),
                    is_known ? operator_schema(relation.types, column->type) : "pg_catalog",
                    pg::quote_literal(value), is_known ? literal_type(relation.types, column->type) : "");
  }
  return condition;
}

/// SQL for what a row's columns take, without reading their values: what they unfold to where it is known.
std::string size_of(const RowToFetch& row) {
  std::string size;
  for (const ChangeColumn* column : row.columns) {
    const bool is_plain = column->type_name == "text" || column->type_name == "bytea";
    size += fmt::format("{}coalesce(pg_catalog.{}({}), 0)::pg_catalog.int8",
                        size.empty() ? "" : " OPERATOR(pg_catalog.+) ",
                        is_plain ? "octet_length" : "pg_column_size", pg::quote_identifier(column->name));
  }
  return size;
}

/// The table is not what it was when the log was written. Codes: manual, Error Codes.
bool is_of_another_shape(const pg::ServerError& error) {
  constexpr std::array codes = {"42P01", "42703", "42883"};  // undefined table, column, operator
  constexpr std::string_view bad_value = "22";               // a key whose type is another now
  return std::ranges::find(codes, error.sqlstate()) != codes.end() || error.sqlstate().starts_with(bad_value);
}

}  // namespace

bool ToastBackfill::is_full() const {
  return pending_rows_.size() >= batch_ || text_.size() >= kMostBytes;
}

void ToastBackfill::fill(pg::Connection& connection, const std::vector<PendingRow*>& rows, std::size_t most) {
  const RowToFetch& like = rows.front()->row;
  if (like.stream->failed) {
    return;
  }
  try {
    read(connection, rows, most);
  } catch (const pg::ServerError& error) {
    if (error.is_transient()) {
      throw;
    }
    if (!is_of_another_shape(error)) {
      on_fault_(*like.stream, error);
    } else if (leave_out_dropped(connection, rows)) {
      fill(connection, rows, most);
    } else {
      log::warn("{}: columns that an update did not send are left out, since they cannot be read: {}",
                like.stream->plan.stream.id, error.what());
    }
  }
}

/// True if some columns are no longer there, and others are.
bool ToastBackfill::leave_out_dropped(pg::Connection& connection, const std::vector<PendingRow*>& rows) {
  const pg::TableName name = rows.front()->row.stream->own_name();
  const std::vector<ChangeColumn*> before = rows.front()->row.columns;
  std::vector<ChangeColumn*> now;
  try {
    const pg::Relation relation = pg::in_one_snapshot(
        connection, [&] { return pg::find_relation(connection, name.schema, name.table); });
    std::ranges::copy_if(before, std::back_inserter(now), [&](const ChangeColumn* column) {
      return std::ranges::find(relation.columns, column->name, &pg::TableColumn::name) !=
             relation.columns.end();
    });
  } catch (const pg::ServerError&) {
    throw;
  } catch (const StreamError&) {
    return false;  // dropped, with all of its rows
  }
  for (PendingRow* row : rows) {
    row->row.columns = now;
  }
  return !now.empty() && now.size() < before.size();
}

void ToastBackfill::read(pg::Connection& connection, const std::vector<PendingRow*>& pending, std::size_t most) {
  const RowToFetch& like = pending.front()->row;
  const pg::TableName name = like.stream->own_name();
  const std::string table = pg::quote_qualified(name.schema, name.table);
  const std::string is_large = fmt::format("({}) OPERATOR(pg_catalog.>) {}", size_of(like), most);
  std::string columns;
  for (const ChangeColumn* column : like.columns) {
    columns +=
        fmt::format(", CASE WHEN {} THEN NULL ELSE {} END", is_large, pg::quote_identifier(column->name));
  }
  std::string query;
  for (std::size_t i = 0; i < pending.size(); ++i) {
    query +=
        fmt::format("{}(SELECT {}, CASE WHEN {} THEN 1 ELSE 0 END{} FROM {} WHERE {} LIMIT 1)",
                    i == 0 ? "" : " UNION ALL ", i + 1, is_large, columns, table, condition_of(pending[i]->row));
  }
  const pg::Result found = connection.read_table(query);
  for (std::size_t i = 0; i < found.size(); ++i) {
    PendingRow& row = *pending[found.index(i, 0, pending.size())];
    row.is_large = found.number(i, 1) != 0;
    Buffer& filling = row.filling;
    filling.clear();
    for (std::size_t column = 0; column < like.columns.size() && !row.is_large; ++column) {
      filling.push(',');
      like.stream->shape.append_from_server(*like.columns[column], found.view(i, column + 2), filling);
    }
  }
}

void ToastBackfill::release(pg::Connection& connection, singer::Writer& writer) {
  std::map<std::pair<WalStream*, std::vector<ChangeColumn*>>, std::vector<PendingRow*>> alike;
  for (PendingRow& row : pending_rows_) {
    alike[{row.row.stream, row.row.columns}].push_back(&row);
  }
  for (const auto& [what, rows] : alike) {
    fill(connection, rows, kMostBytes / rows.size() * kGrowth);
  }
  const std::string_view text = text_.view();
  std::size_t written = 0;
  std::size_t read = 0;
  for (PendingRow& row : pending_rows_) {
    if (row.is_large) {  // whole lines are out if this fails
      fill(connection, {&row}, std::numeric_limits<std::int32_t>::max());
    }
    writer.part(text.substr(written, row.start - written));
    written = row.end;
    WalStream& stream = *row.row.stream;
    if (stream.failed || (row.row.is_all && row.filling.empty())) {
      stream.bytes -= row.end - row.start;
      --stream.records;
      continue;
    }
    writer.part(text.substr(row.start, row.at - row.start));
    writer.part(row.filling.view());
    writer.part(text.substr(row.at, row.end - row.at));
    writer.end_of_line();
    stream.bytes += row.filling.size();
    read += std::exchange(row.filling, Buffer()).size();
  }
  writer.part(text.substr(written));
  writer.end_of_line();
  if (!pending_rows_.empty()) {
    const std::size_t affordable = kMostBytes / (read / pending_rows_.size() + 1);
    batch_ = std::clamp(affordable, std::size_t{1}, std::min(kMostRows, batch_ * kGrowth));
  }
  forget();
}

void ToastBackfill::forget() {
  text_.shrink(2 * kMostBytes);
  pending_rows_.clear();
}

}  // namespace tap::sync
