// SPDX-License-Identifier: Apache-2.0
#include <tap/base/cursor.hpp>

#include "encoders.hpp"
#include "value/column.hpp"

namespace tap::value {

namespace {

/// Writes the quoted text that `text` begins with as a JSON string and drops it from `text`. Quotes and
/// backslashes in it have a backslash in front.
void take_quoted(const Column& column, std::string_view value, std::string_view& text, Buffer& out) {
  if (!text.starts_with('"')) {
    malformed(column, value);
  }
  std::size_t from = 1;
  out.push('"');
  for (;;) {
    // What a backslash stands before is searched from its second character on.
    const std::size_t escaped = from > 1 ? 1 : 0;
    const std::size_t stop = text.find_first_of("\"\\", from + escaped);
    if (stop == std::string_view::npos) {
      malformed(column, value);
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

bool take(std::string_view& text, std::string_view token) {
  if (!text.starts_with(token)) {
    return false;
  }
  text.remove_prefix(token.size());
  return true;
}

}  // namespace

void hstore_binary(const Column& column, std::string_view value, Buffer& out) {
  Cursor from(value);
  const std::int32_t pairs = from.left() < sizeof(std::int32_t) ? -1 : from.i32();
  if (pairs < 0) {
    malformed(column, value);
  }
  out.push('{');
  for (std::int32_t i = 0; i < pairs; ++i) {
    const auto key = read_sized(column, value, from);
    const auto text = read_sized(column, value, from);
    if (!key) {
      malformed(column, value);
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
    malformed(column, value);
  }
}

void hstore_text(const Column& column, std::string_view value, Buffer& out) {
  std::string_view left = value;
  out.push('{');
  while (!left.empty()) {
    if (left.size() != value.size()) {
      if (!take(left, ", ")) {
        malformed(column, value);
      }
      out.push(',');
    }
    take_quoted(column, value, left, out);
    if (!take(left, "=>")) {
      malformed(column, value);
    }
    out.push(':');
    if (take(left, "NULL")) {
      out.append("null");
    } else {
      take_quoted(column, value, left, out);
    }
  }
  out.push('}');
}

}  // namespace tap::value
