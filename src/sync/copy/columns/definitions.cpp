// SPDX-License-Identifier: Apache-2.0
#include "definitions.hpp"

#include <algorithm>
#include <string_view>

#include <spdlog/fmt/fmt.h>

#include <tap/base/text.hpp>

#include "sync/copy/scan.hpp"

namespace tap::sync {

namespace {

/// The length of the first `count` parts of a list with commas between them.
std::size_t length_of_parts(std::string_view parts, std::size_t count) {
  std::size_t end = 0;
  for (; count > 0 && end != std::string_view::npos; --count) {
    end = parts.find(',', end == 0 ? 0 : end + 1);
  }
  return std::min(end, parts.size());
}

/// A definition, read from its text: `16390`, or `16390 3 9b2c` with the number of a type's parts and their
/// hash. With a row filter, `/100` follows: the collation.
struct Definition {
  std::string_view type;
  std::string_view parts;
  std::string_view collation;
};

Definition parse_definition(std::string_view text) {
  const auto slash = std::min(text.find('/'), text.size());
  const auto space = std::min(text.find(' '), slash);
  return {text.substr(0, space), text.substr(space, slash - space), text.substr(slash)};
}

/// `before` is an earlier definition. Of an enum only the labels that it had then are compared: no earlier
/// row has others.
std::string definition_of(const pg::Relation& relation, const pg::TableColumn& column, bool has_row_filter,
                          std::string_view before = {}) {
  std::string text = fmt::to_string(base_type(relation.types, column.type));
  if (const TypeRow* const row = type_with_parts(relation.types, column.type)) {
    std::size_t count = static_cast<std::size_t>(std::ranges::count(row->parts, ',')) + 1;
    std::string_view parts_before = parse_definition(before).parts;
    std::size_t known = 0;
    if (row->kind == 'e' && scan_char(parts_before, ' ') && scan_number(parts_before, known)) {
      count = std::min(count, known);
    }
    const std::string_view parts = row->parts;
    text += fmt::format(" {} {:x}", count, stable_hash(parts.substr(0, length_of_parts(parts, count))));
  }
  return has_row_filter ? fmt::format("{}/{}", text, column.collation) : text;
}

}  // namespace

const TypeRow* type_with_parts(const TypeRows& types, Oid type) {
  for (int depth = 0; depth < kMaxTypeNesting; ++depth) {
    const auto found = types.find(type);
    if (found == types.end()) {
      return nullptr;
    }
    const TypeRow& row = found->second;
    if (!row.parts.empty()) {
      return &row;
    }
    type = row.base != 0 ? row.base : row.subtype != 0 ? row.subtype : row.is_array ? row.element : 0;
  }
  return nullptr;
}

ColumnDefinitions column_definitions(const pg::Relation& relation, const std::map<std::string, int>& numbers,
                                     bool has_row_filter) {
  ColumnDefinitions definitions;
  for (const pg::TableColumn& column : relation.columns) {
    if (numbers.contains(column.name)) {
      definitions[column.name] = definition_of(relation, column, has_row_filter);
    }
  }
  return definitions;
}

std::string describe_definition_change(const ColumnDefinitions& before, const pg::Relation& relation,
                                       bool has_row_filter) {
  for (const pg::TableColumn& column : relation.columns) {
    const auto found = before.find(column.name);
    if (found == before.end()) {
      continue;
    }
    const std::string definition = definition_of(relation, column, has_row_filter, found->second);
    const Definition was = parse_definition(found->second);
    const Definition is = parse_definition(definition);
    if (was.type != is.type) {
      return fmt::format("the type of column {} was changed", column.name);
    }
    if (was.parts != is.parts) {
      return fmt::format("the labels or attributes of the type of column {} were changed", column.name);
    }
    if (was.collation != is.collation) {
      return fmt::format("the collation of column {} was changed, and the row filter (where) may use it",
                         column.name);
    }
  }
  return "";
}

std::map<Oid, std::string> virtual_expressions(const pg::Relation& relation,
                                               const std::map<std::string, int>& numbers) {
  std::map<Oid, std::string> expressions;
  const bool has_virtual = std::ranges::any_of(relation.columns, [&](const pg::TableColumn& column) {
    return column.is_virtual && numbers.contains(column.name);
  });
  if (has_virtual) {
    for (const pg::Partition& partition : relation.partitions) {
      expressions[partition.oid] = fmt::format("{:x}", stable_hash(partition.virtual_columns));
    }
  }
  return expressions;
}

}  // namespace tap::sync
