// SPDX-License-Identifier: Apache-2.0
// Geometric types: src/backend/utils/adt/geo_ops.c.
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>

#include <tap/base/cursor.hpp>

#include "float_text.hpp"
#include "output_functions.hpp"
#include "value/column_context.hpp"

namespace tap::value {

namespace {

constexpr std::size_t kPointSize = 2 * sizeof(double);
constexpr std::size_t kMaxPointSize = 2 * kMaxFloatSize + 4;  // parentheses, comma, comma to the next

char* write_coordinate(char* to, Cursor& from, int server_version) {
  constexpr int version_with_names = 90600;  // NaN and Infinity; before, nan and inf
  const auto value = std::bit_cast<double>(from.u64());
  return std::isfinite(value) || server_version >= version_with_names
             ? write_float_text(to, value, server_version)
             : std::to_chars(to, to + kMaxFloatSize, value).ptr;
}

/// Writes (x,y).
char* write_point(char* to, Cursor& from, int server_version) {
  *to++ = '(';
  to = write_coordinate(to, from, server_version);
  *to++ = ',';
  to = write_coordinate(to, from, server_version);
  *to++ = ')';
  return to;
}

/// Appends the remaining points.
void append_points(const ColumnContext& column, Cursor& from, Buffer& out) {
  char* to = out.reserve(from.left() / kPointSize * kMaxPointSize);
  to = write_point(to, from, column.server_version);
  while (!from.at_end()) {
    *to++ = ',';
    to = write_point(to, from, column.server_version);
  }
  out.commit(to);
}

/// Appends the remaining points after checking that they are as many as the value says.
void append_counted_points(const ColumnContext& column, std::string_view value, Cursor& from, Buffer& out) {
  if (from.left() < sizeof(std::int32_t)) {
    throw_invalid_value(column, value);
  }
  const std::int32_t count = from.i32();
  if (count <= 0 || from.left() % kPointSize != 0 ||
      from.left() / kPointSize != static_cast<std::size_t>(count)) {
    throw_invalid_value(column, value);
  }
  append_points(column, from, out);
}

}  // namespace

void output_point(const ColumnContext& column, std::string_view value, Buffer& out) {
  require_size(column, value, kPointSize);
  Cursor from(value);
  append_points(column, from, out);
}

void output_lseg(const ColumnContext& column, std::string_view value, Buffer& out) {
  require_size(column, value, 2 * kPointSize);
  Cursor from(value);
  out.push('[');
  append_points(column, from, out);
  out.push(']');
}

void output_path(const ColumnContext& column, std::string_view value, Buffer& out) {
  if (value.empty()) {
    throw_invalid_value(column, value);
  }
  Cursor from(value);
  const bool is_closed = from.u8() != 0;
  out.push(is_closed ? '(' : '[');
  append_counted_points(column, value, from, out);
  out.push(is_closed ? ')' : ']');
}

void output_box(const ColumnContext& column, std::string_view value, Buffer& out) {
  require_size(column, value, 2 * kPointSize);
  Cursor from(value);
  append_points(column, from, out);
}

void output_polygon(const ColumnContext& column, std::string_view value, Buffer& out) {
  Cursor from(value);
  out.push('(');
  append_counted_points(column, value, from, out);
  out.push(')');
}

void output_line(const ColumnContext& column, std::string_view value, Buffer& out) {
  require_size(column, value, 3 * sizeof(double));
  Cursor from(value);
  char* to = out.reserve(3 * (kMaxFloatSize + 1) + 1);
  for (const char before : {'{', ',', ','}) {
    *to++ = before;
    to = write_coordinate(to, from, column.server_version);
  }
  *to++ = '}';
  out.commit(to);
}

void output_circle(const ColumnContext& column, std::string_view value, Buffer& out) {
  require_size(column, value, kPointSize + sizeof(double));
  Cursor from(value);
  char* to = out.reserve(kMaxPointSize + kMaxFloatSize + 3);
  *to++ = '<';
  to = write_point(to, from, column.server_version);
  *to++ = ',';
  to = write_coordinate(to, from, column.server_version);
  *to++ = '>';
  out.commit(to);
}

}  // namespace tap::value
