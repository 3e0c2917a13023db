// SPDX-License-Identifier: Apache-2.0
// Arrays (src/backend/utils/adt/arrayfuncs.c): array_send and array_out. The bounds of a dimension may start
// anywhere; JSON has no place for that.
#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include <tap/base/cursor.hpp>

#include "encoders.hpp"
#include "value/column.hpp"

namespace tap::value {

namespace {

constexpr std::int32_t kMostDimensions = 6;  // MAXDIM
constexpr std::size_t kHeaderSize = 12;      // dimensions, whether there are NULLs, element type
constexpr std::size_t kDimensionSize = 8;    // length, lower bound

/// Writes the lists of the dimensions that are left, down to the elements.
void write_lists(const Column& column, std::string_view value, std::span<const std::int32_t> lengths,
                 Cursor& from, Buffer& out) {
  for (std::int32_t i = 0; i < lengths[0]; ++i) {
    out.push(i == 0 ? '[' : ',');
    if (lengths.size() > 1) {
      write_lists(column, value, lengths.subspan(1), from, out);
    } else if (const auto element = read_sized(column, value, from)) {
      (*column.element)(*element, out);
    } else {
      out.append("null");
    }
  }
  out.push(']');
}

/// The element that `text` begins with, up to its closing quote, without the backslashes; drops it from
/// `text`.
std::string_view take_quoted(const Column& column, std::string_view value, std::string_view& text) {
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
    malformed(column, value);
  }
  column.scratch.append(text.substr(from, stop - from));
  text.remove_prefix(stop + 1);
  return column.scratch.view();
}

/// Writes the element that `text` begins with and drops it from `text`.
void take_element(const Column& column, std::string_view value, std::string_view& text, Buffer& out) {
  if (text.starts_with('"')) {
    const auto element = take_quoted(column, value, text);
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
    malformed(column, value);
  }
  if (element == "NULL") {
    out.append("null");
  } else {
    (*column.element)(element, out);
  }
}

}  // namespace

void array_binary(const Column& column, std::string_view value, Buffer& out) {
  Cursor from(value);
  if (from.left() < kHeaderSize) {
    malformed(column, value);
  }
  const std::int32_t dimensions = from.i32();
  from.bytes(kHeaderSize -
             sizeof(dimensions));  // the elements tell which are NULL, the catalog what they are
  if (dimensions < 0 || dimensions > kMostDimensions ||
      from.left() < static_cast<std::size_t>(dimensions) * kDimensionSize) {
    malformed(column, value);
  }
  std::array<std::int32_t, kMostDimensions> lengths{};
  const std::span used(lengths.data(), static_cast<std::size_t>(dimensions));
  for (std::int32_t& length : used) {
    length = from.i32();
    from.bytes(kDimensionSize - sizeof(length));
    if (length <= 0) {
      malformed(column, value);
    }
  }
  if (used.empty()) {
    out.append("[]");
  } else {
    write_lists(column, value, used, from, out);
  }
  if (!from.at_end()) {
    malformed(column, value);
  }
}

void array_text(const Column& column, std::string_view value, Buffer& out) {
  std::string_view left = value;
  if (left.starts_with('[')) {  // [0:1]={1,2}
    left.remove_prefix(std::min(left.find('='), left.size() - 1) + 1);
  }
  if (!left.starts_with('{')) {
    malformed(column, value);
  }
  int depth = 0;
  do {
    if (left.starts_with('{')) {
      left.remove_prefix(1);
      out.push('[');
      if (++depth > kMostDimensions) {
        malformed(column, value);
      }
      if (!left.starts_with('}')) {
        continue;
      }
    } else {
      take_element(column, value, left, out);
    }
    while (depth > 0 && left.starts_with('}')) {
      left.remove_prefix(1);
      out.push(']');
      --depth;
    }
    if (depth > 0) {
      if (!left.starts_with(column.delimiter)) {
        malformed(column, value);
      }
      left.remove_prefix(1);
      out.push(',');
    }
  } while (depth > 0);
  if (!left.empty()) {
    malformed(column, value);
  }
}

}  // namespace tap::value
