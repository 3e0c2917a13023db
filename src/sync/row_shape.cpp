// SPDX-License-Identifier: Apache-2.0
#include "row_shape.hpp"

#include <algorithm>

#include <spdlog/fmt/fmt.h>

#include <tap/base/error.hpp>
#include <tap/base/json.hpp>
#include <tap/base/log.hpp>
#include <tap/pg/quote.hpp>

namespace tap::sync {

namespace {

/// How a column is selected: its binary form, or the text of its type's output function, which a cast to text
/// is not for every type. IS DISTINCT FROM, since a composite of NULLs "IS NULL" without being NULL.
std::string select_column(const std::string& name, value::Wire wire) {
  const std::string column = pg::quote_identifier(name);
  return wire == value::Wire::binary
             ? column
             : fmt::format("CASE WHEN {0} IS DISTINCT FROM NULL THEN pg_catalog.format('%s', {0}) END",
                           column);
}

/// Says that the catalog is out of date: records follow the table, the schema that is sent does not.
void warn_if_retyped(const singer::Stream& stream, const pg::TableColumn& column) {
  const auto known =
      std::find_if(stream.columns.begin(), stream.columns.end(),
                   [&](const singer::Column& candidate) { return candidate.name == column.name; });
  const std::string& before = known->sql_datatype;
  if (before.empty() || before == column.type_name || before.compare(0, 4, "bit(") == 0) {
    return;
  }
  log::warn("{}: column {} is {} now, {} in the catalog: run discovery again", stream.id, column.name,
            column.type_name, before);
}

bool is_key(const singer::Stream& stream, const std::string& column) {
  const auto& keys = stream.key_properties;
  return std::find(keys.begin(), keys.end(), column) != keys.end();
}

}  // namespace

value::Wire wire_of(const value::Type& type) {
  return value::has_binary(type) ? value::Wire::binary : value::Wire::text;
}

std::optional<std::string_view> nth_field(Cursor row, std::size_t position) {
  std::int32_t size = row.i32();
  for (; position > 0; --position) {
    row.bytes(static_cast<std::size_t>(std::max(size, 0)));
    size = row.i32();
  }
  return size < 0 ? std::nullopt : std::optional(row.bytes(static_cast<std::size_t>(size)));
}

std::size_t RowShape::position(const std::string& column) const {
  return static_cast<std::size_t>(std::ranges::find(columns_, column) - columns_.begin());
}

RowShape::RowShape(const StreamPlan& plan, const pg::Relation& relation, const value::Options& options) {
  const singer::Stream& stream = plan.stream;
  for (const std::string& name : plan.columns) {
    const auto column =
        std::find_if(relation.columns.begin(), relation.columns.end(),
                     [&](const pg::TableColumn& candidate) { return candidate.name == name; });
    if (column == relation.columns.end()) {
      if (is_key(stream, name)) {
        throw StreamError(fmt::format("key column {} is no longer in the table: run discovery again", name));
      }
      log::warn("{}: column {} is no longer in the table; it is left out until discovery is run again",
                stream.id, name);
      continue;
    }
    warn_if_retyped(stream, *column);
    const value::Type type = value::resolve(relation.types, column->type, column->modifier);
    const value::Wire wire = wire_of(type);
    std::string key = fmt::format("{}{}:", fields_.empty() ? "" : ",", to_text(name));
    fields_.push_back(
        {std::move(key), value::Encoder(type, wire, options,
                                        fmt::format("{}.{}.{}", stream.schema_name, stream.table, name))});
    select_list_ += (select_list_.empty() ? "" : ", ") + select_column(name, wire);
    columns_.push_back(name);
  }
  if (fields_.empty()) {
    throw StreamError("none of the selected columns is in the table any more: run discovery again");
  }
}

void RowShape::append(Cursor& row, Buffer& out) const {
  for (const Field& field : fields_) {
    out.append(field.key);
    const std::int32_t size = row.i32();
    if (size < 0) {
      out.append("null");
    } else {
      field.encode(row.bytes(static_cast<std::size_t>(size)), out);
    }
  }
}

}  // namespace tap::sync
