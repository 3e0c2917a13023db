// SPDX-License-Identifier: Apache-2.0
#include "row_projection.hpp"

#include <algorithm>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <tap/base/error.hpp>
#include <tap/base/json.hpp>
#include <tap/base/log.hpp>
#include <tap/pg/quote.hpp>
#include <tap/sync/validation.hpp>
#include <tap/value/schema.hpp>

namespace tap::sync {

namespace {

constexpr std::int32_t kNull = -1;  // the length of a field that is NULL

/// The SELECT expression of a column: its binary form, or the text of its type's output function, which for
/// some types differs from a cast to text. A composite value of NULLs "IS NULL" without being NULL, so its
/// size is tested; IS DISTINCT FROM needs an equality operator before version 10, which some types lack.
std::string select_column(const std::string& name, value::Format format, bool is_composite) {
  const std::string column = pg::quote_identifier(name);
  return format == value::Format::binary
             ? column
             : fmt::format("CASE WHEN {1} IS NOT NULL THEN pg_catalog.format('%s', {0}) END", column,
                           is_composite ? fmt::format("pg_catalog.pg_column_size({})", column) : column);
}

}  // namespace

value::Format choose_format(const value::Type& type) {
  return value::has_binary(type) ? value::Format::binary : value::Format::text;
}

std::optional<std::string_view> nth_field(Cursor row, std::size_t position) {
  std::int32_t size = row.i32();
  for (; position > 0; --position) {
    row.bytes(static_cast<std::size_t>(std::max(size, 0)));
    size = row.i32();
  }
  return size < 0 ? std::nullopt : std::optional(row.bytes(static_cast<std::size_t>(size)));
}

std::size_t RowProjection::position(const std::string& column) const {
  return static_cast<std::size_t>(std::ranges::find(columns_, column) - columns_.begin());
}

RowProjection::RowProjection(const StreamPlan& plan, const pg::Relation& relation,
                             const value::EncodingOptions& options) {
  const singer::Stream& stream = plan.stream;
  const auto warn = [&](const Problem& problem) { log::warn("{}: {}", stream.id, to_text(problem)); };
  for (const pg::TableColumn* column : synced_columns(plan, relation.columns, warn)) {
    const std::string& name = column->name;
    const value::Type type = value::resolve(relation.types, column->type, column->modifier);
    const value::Format format = choose_format(type);
    const bool is_new = stream.find_column(name) == nullptr;
    const auto fitting =
        is_new ? options : value::options_for(type, stream.property(name), stream.schema, options);
    if (is_new) {
      new_properties_[name] = value::json_schema(type, false, options);
    }
    std::string key = fmt::format("{}{}:", fields_.empty() ? "" : ",", to_text(Json(name)));
    fields_.push_back(
        {std::move(key), value::Encoder(type, format, fitting,
                                        fmt::format("{}.{}.{}", stream.schema_name, stream.table, name))});
    select_list_ +=
        (select_list_.empty() ? "" : ", ") +
        select_column(name, format, relation.types.at(base_type(relation.types, column->type)).kind == 'c');
    columns_.push_back(name);
  }
}

RowProjection RowProjection::for_another_thread() const {
  RowProjection other;
  other.select_list_ = select_list_;
  other.columns_ = columns_;
  for (const Field& field : fields_) {
    other.fields_.push_back({field.key, field.encode.for_another_thread()});
  }
  return other;
}

void RowProjection::append(Cursor& row, Buffer& out) const {
  for (const Field& field : fields_) {
    out.append(field.key);
    const std::int32_t size = row.i32();
    if (size >= 0) {
      field.encode(row.bytes(static_cast<std::size_t>(size)), out);
    } else if (size == kNull) {
      out.append("null");
    } else {
      throw_malformed_row();
    }
  }
  if (!row.at_end()) {
    throw_malformed_row();
  }
}

void RowProjection::append_column(Cursor row, std::size_t position, Buffer& out) const {
  const Field& field = fields_[position];
  const std::string_view key = field.key;
  out.append(key.substr(position == 0 ? 0 : 1));  // without the comma
  if (const auto value = nth_field(row, position)) {
    field.encode(*value, out);
  } else {
    out.append("null");
  }
}

void RowProjection::throw_malformed_row() const {
  throw StreamError(
      fmt::format("the server sent a malformed row: expected {} columns ({}); please report this with the "
                  "server's version",
                  columns_.size(), fmt::join(columns_, ", ")));
}

}  // namespace tap::sync
