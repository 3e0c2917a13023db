// SPDX-License-Identifier: Apache-2.0
// Ranges and multiranges: range_send() and range_out() of src/backend/utils/adt/rangetypes.c,
// multirange_send() and multirange_out() of multirangetypes.c.
#include <algorithm>
#include <cstdint>

#include <tap/base/cursor.hpp>

#include "encode_functions.hpp"
#include "value/column_context.hpp"

namespace tap::value {

namespace {

// The flags of a range (src/include/utils/rangetypes.h).
constexpr unsigned kEmpty = 0x01;
constexpr unsigned kIncludesLower = 0x02;
constexpr unsigned kIncludesUpper = 0x04;
constexpr unsigned kNoLower = 0x08;
constexpr unsigned kNoUpper = 0x10;
constexpr unsigned kAllFlags = 0x1F;

/// True if the server quotes such a bound. It also doubles quotes and backslashes, which no bound has here.
bool is_quoted(std::string_view bound) {
  return bound.empty() || std::ranges::any_of(bound, [](char c) {
           return c == ' ' || c == ',' || c == '(' || c == ')' || c == '[' || c == ']';
         });
}

void write_bound(const ColumnContext& column, std::string_view value, Cursor& from, Buffer& out) {
  const auto bound = read_length_prefixed(column, value, from);
  if (!bound) {
    throw_invalid_value(column, value);
  }
  column.scratch.clear();
  column.output_bound(column, *bound, column.scratch);
  const std::string_view text = column.scratch.view();
  const std::string_view quote = is_quoted(text) ? "\\\"" : "";
  out.append(quote);
  out.append(text);
  out.append(quote);
}

void write_range(const ColumnContext& column, std::string_view value, Buffer& out) {
  if (value.empty()) {
    throw_invalid_value(column, value);
  }
  Cursor from(value);
  const unsigned flags = from.u8();
  if ((flags & kEmpty) != 0) {
    out.append("empty");
  } else {
    out.push((flags & kIncludesLower) != 0 ? '[' : '(');
    if ((flags & kNoLower) == 0) {
      write_bound(column, value, from, out);
    }
    out.push(',');
    if ((flags & kNoUpper) == 0) {
      write_bound(column, value, from, out);
    }
    out.push((flags & kIncludesUpper) != 0 ? ']' : ')');
  }
  if ((flags & ~kAllFlags) != 0 || !from.at_end()) {
    throw_invalid_value(column, value);
  }
}

}  // namespace

void encode_range_binary(const ColumnContext& column, std::string_view value, Buffer& out) {
  out.push('"');
  write_range(column, value, out);
  out.push('"');
}

void encode_multirange_binary(const ColumnContext& column, std::string_view value, Buffer& out) {
  if (value.size() < sizeof(std::int32_t)) {
    throw_invalid_value(column, value);
  }
  Cursor from(value);
  const std::int32_t count = from.i32();
  out.append("\"{");
  for (std::int32_t i = 0; i < count; ++i) {
    const auto range = read_length_prefixed(column, value, from);
    if (!range) {
      throw_invalid_value(column, value);
    }
    if (i > 0) {
      out.push(',');
    }
    write_range(column, *range, out);
  }
  if (count < 0 || !from.at_end()) {
    throw_invalid_value(column, value);
  }
  out.append("}\"");
}

}  // namespace tap::value
