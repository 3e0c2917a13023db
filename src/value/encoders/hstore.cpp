// SPDX-License-Identifier: Apache-2.0
// hstore: hstore_send() and hstore_out() of contrib/hstore/hstore_io.c.
#include <tap/base/cursor.hpp>

#include "encode_functions.hpp"
#include "value/column_context.hpp"

namespace tap::value {

namespace {

/// Removes a quoted string from the start of `text` and writes it as a JSON string. In it, a backslash
/// precedes each quote and backslash.
void write_quoted(const ColumnContext& column, std::string_view value, std::string_view& text, Buffer& out) {
  if (!text.starts_with('"')) {
    throw_invalid_value(column, value);
  }
  std::size_t from = 1;
  out.push('"');
  for (;;) {
    // After a backslash, the next character is literal.
    const std::size_t escaped = from > 1 ? 1 : 0;
    const std::size_t stop = text.find_first_of("\"\\", from + escaped);
    if (stop == std::string_view::npos) {
      throw_invalid_value(column, value);
    }
    append_json_characters(out, text.substr(from, stop - from));
    from = stop + 1;
    if (text[stop] == '"') {
      break;
    }
  }
  out.push('"');
  text.remove_prefix(from);
}

/// Removes `token` from the start of `text`; false if `text` starts otherwise.
bool consume(std::string_view& text, std::string_view token) {
  if (!text.starts_with(token)) {
    return false;
  }
  text.remove_prefix(token.size());
  return true;
}

}  // namespace

void encode_hstore_binary(const ColumnContext& column, std::string_view value, Buffer& out) {
  Cursor from(value);
  const std::int32_t pairs = from.left() < sizeof(std::int32_t) ? -1 : from.i32();
  if (pairs < 0) {
    throw_invalid_value(column, value);
  }
  out.push('{');
  for (std::int32_t i = 0; i < pairs; ++i) {
    const auto key = read_length_prefixed(column, value, from);
    const auto text = read_length_prefixed(column, value, from);
    if (!key) {
      throw_invalid_value(column, value);
    }
    if (i > 0) {
      out.push(',');
    }
    append_json_string(out, *key);
    out.push(':');
    if (text) {
      append_json_string(out, *text);
    } else {
      out.append("null");
    }
  }
  out.push('}');
  if (!from.at_end()) {
    throw_invalid_value(column, value);
  }
}

void encode_hstore_text(const ColumnContext& column, std::string_view value, Buffer& out) {
  std::string_view left = value;
  out.push('{');
  while (!left.empty()) {
    if (left.size() != value.size()) {
      if (!consume(left, ", ")) {
        throw_invalid_value(column, value);
      }
      out.push(',');
    }
    write_quoted(column, value, left, out);
    if (!consume(left, "=>")) {
      throw_invalid_value(column, value);
    }
    out.push(':');
    if (consume(left, "NULL")) {
      out.append("null");
    } else {
      write_quoted(column, value, left, out);
    }
  }
  out.push('}');
}

}  // namespace tap::value
