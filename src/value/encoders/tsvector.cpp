// SPDX-License-Identifier: Apache-2.0
// tsvector: tsvectorsend() and tsvectorout() of src/backend/utils/adt/tsvector.c.
#include <charconv>
#include <cstdint>

#include <tap/base/cursor.hpp>

#include "encode_functions.hpp"
#include "value/column_context.hpp"

namespace tap::value {

namespace {

/// Writes a lexeme in single quotes, which the server doubles in it, as it does backslashes.
void write_lexeme(std::string_view lexeme, Buffer& out) {
  out.push('\'');
  for (std::size_t special = 0; !lexeme.empty(); lexeme.remove_prefix(special)) {
    special = std::min(lexeme.find_first_of("'\\"), lexeme.size() - 1) + 1;
    append_json_characters(out, lexeme.substr(0, special));
    if (lexeme[special - 1] == '\'' || lexeme[special - 1] == '\\') {
      append_json_characters(out, lexeme.substr(special - 1, 1));
    }
  }
  out.push('\'');
}

/// Writes a position and its weight; D, the default, is not written.
void write_position(std::uint16_t position, Buffer& out) {
  constexpr unsigned weight_shift = 14;
  constexpr std::size_t max_size = 6;
  char* const to = out.reserve(max_size);
  char* end = std::to_chars(to, to + max_size, position & ((1U << weight_shift) - 1)).ptr;
  if (const unsigned weight = position >> weight_shift; weight > 0) {
    *end++ = static_cast<char>('A' + (3 - weight));
  }
  out.commit(end);
}

}  // namespace

void encode_tsvector_binary(const ColumnContext& column, std::string_view value, Buffer& out) {
  if (value.size() < sizeof(std::int32_t)) {
    throw_invalid_value(column, value);
  }
  const std::int32_t count = Cursor(value).i32();
  std::string_view left = value.substr(sizeof(count));
  out.push('"');
  for (std::int32_t i = 0; i < count; ++i) {
    if (i > 0) {
      out.push(' ');
    }
    const std::size_t size = left.find('\0');
    if (size == std::string_view::npos || left.size() - size - 1 < sizeof(std::uint16_t)) {
      throw_invalid_value(column, value);
    }
    write_lexeme(left.substr(0, size), out);
    left.remove_prefix(size + 1);
    Cursor from(left);
    const std::uint16_t positions = from.u16();
    if (from.left() < sizeof(std::uint16_t) * positions) {
      throw_invalid_value(column, value);
    }
    for (std::uint16_t position = 0; position < positions; ++position) {
      out.push(position == 0 ? ':' : ',');
      write_position(from.u16(), out);
    }
    left = from.rest();
  }
  if (count < 0 || !left.empty()) {
    throw_invalid_value(column, value);
  }
  out.push('"');
}

}  // namespace tap::value
