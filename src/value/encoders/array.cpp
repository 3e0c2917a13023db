// SPDX-License-Identifier: Apache-2.0
// Arrays: array_send() and array_out() of src/backend/utils/adt/arrayfuncs.c. JSON arrays cannot represent
// the lower bounds of the dimensions, so they are dropped.
#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include <tap/base/cursor.hpp>

#include "encode_functions.hpp"
#include "value/column_context.hpp"

namespace tap::value {

namespace {

constexpr std::int32_t kMaxDimensions = 6;  // MAXDIM
constexpr std::size_t kHeaderSize = 12;     // number of dimensions, flag for NULLs, element type
constexpr std::size_t kDimensionSize = 8;   // length, lower bound

/// Writes the remaining dimensions, whose lengths are `lengths`, as nested JSON arrays.
void write_dimensions(const ColumnContext& column, std::string_view value,
                      std::span<const std::int32_t> lengths, Cursor& from, Buffer& out) {
  for (std::int32_t i = 0; i < lengths[0]; ++i) {
    out.push(i == 0 ? '[' : ',');
    if (lengths.size() > 1) {
      write_dimensions(column, value, lengths.subspan(1), from, out);
    } else if (const auto element = read_length_prefixed(column, value, from)) {
      (*column.element)(*element, out);
    } else {
      out.append("null");
    }
  }
  out.push(']');
}

/// Removes a quoted element from the start of `text` and returns it without quotes and backslashes. The
/// result is valid until the next call.
std::string_view unquote_element(const ColumnContext& column, std::string_view value,
                                 std::string_view& text) {
  std::size_t stop = text.find_first_of("\"\\", 1);
  if (stop != std::string_view::npos && text[stop] == '"') {
    const auto element = text.substr(1, stop - 1);
    text.remove_prefix(stop + 1);
    return element;
  }
  column.scratch.clear();
  std::size_t from = 1;
  while (stop != std::string_view::npos && text[stop] == '\\') {
    column.scratch.append(text.substr(from, stop - from));
    from = stop + 1;
    stop = text.find_first_of("\"\\", from + 1);
  }
  if (stop == std::string_view::npos) {
    throw_invalid_value(column, value);
  }
  column.scratch.append(text.substr(from, stop - from));
  text.remove_prefix(stop + 1);
  return column.scratch.view();
}

/// Removes an element from the start of `text` and writes it.
void write_element(const ColumnContext& column, std::string_view value, std::string_view& text, Buffer& out) {
  if (text.starts_with('"')) {
    const auto element = unquote_element(column, value, text);
    (*column.element)(element, out);
    column.scratch.clear_large();
    return;
  }
  std::size_t size = 0;
  while (size < text.size() && text[size] != column.delimiter && text[size] != '}') {
    ++size;
  }
  const auto element = text.substr(0, size);
  text.remove_prefix(size);
  if (element.empty()) {
    throw_invalid_value(column, value);
  }
  if (element == "NULL") {
    out.append("null");
  } else {
    (*column.element)(element, out);
  }
}

}  // namespace

void encode_array_binary(const ColumnContext& column, std::string_view value, Buffer& out) {
  Cursor from(value);
  if (from.left() < kHeaderSize) {
    throw_invalid_value(column, value);
  }
  const std::int32_t dimensions = from.i32();
  from.bytes(kHeaderSize - sizeof(dimensions));  // each element says whether it is NULL; the type is known
  if (dimensions < 0 || dimensions > kMaxDimensions ||
      from.left() < static_cast<std::size_t>(dimensions) * kDimensionSize) {
    throw_invalid_value(column, value);
  }
  std::array<std::int32_t, kMaxDimensions> lengths{};
  const std::span used(lengths.data(), static_cast<std::size_t>(dimensions));
  for (std::int32_t& length : used) {
    length = from.i32();
    from.bytes(kDimensionSize - sizeof(length));
    if (length <= 0) {
      throw_invalid_value(column, value);
    }
  }
  if (used.empty()) {
    out.append("[]");
  } else {
    write_dimensions(column, value, used, from, out);
  }
  if (!from.at_end()) {
    throw_invalid_value(column, value);
  }
}

void encode_array_text(const ColumnContext& column, std::string_view value, Buffer& out) {
  std::string_view left = value;
  if (left.starts_with('[')) {  // [0:1]={1,2}
    left.remove_prefix(std::min(left.find('='), left.size() - 1) + 1);
  }
  if (!left.starts_with('{')) {
    throw_invalid_value(column, value);
  }
  int depth = 0;
  do {
    if (left.starts_with('{')) {
      left.remove_prefix(1);
      out.push('[');
      if (++depth > kMaxDimensions) {
        throw_invalid_value(column, value);
      }
      if (!left.starts_with('}')) {
        continue;
      }
    } else {
      write_element(column, value, left, out);
    }
    while (depth > 0 && left.starts_with('}')) {
      left.remove_prefix(1);
      out.push(']');
      --depth;
    }
    if (depth > 0) {
      if (!left.starts_with(column.delimiter)) {
        throw_invalid_value(column, value);
      }
      left.remove_prefix(1);
      out.push(',');
    }
  } while (depth > 0);
  if (!left.empty()) {
    throw_invalid_value(column, value);
  }
}

}  // namespace tap::value
