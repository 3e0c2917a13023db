// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>

#include "column.hpp"
#include "encoders.hpp"

namespace tap::value {

namespace {

constexpr char kJsonbVersion = 1;
constexpr std::size_t kUnicodeEscape = 6;  // \u00fc

/// The UTF-16 code unit of the escape \uXXXX at `at`; 0 if something else is there.
unsigned code_unit(std::string_view text, std::size_t at) {
  unsigned unit = 0;
  if (text.size() - at >= kUnicodeEscape && text.substr(at, 2) == "\\u") {
    std::from_chars(&text[at + 2], &text[at] + kUnicodeEscape, unit, 16);
  }
  return unit;
}

bool is_high_surrogate(unsigned unit) {
  return unit >= 0xD800 && unit < 0xDC00;
}
bool is_low_surrogate(unsigned unit) {
  return unit >= 0xDC00 && unit < 0xE000;
}

/// Copies a JSON text that the server has checked, without the blanks between its tokens. Type json keeps
/// what JSON readers choke on: bytes that are not UTF-8 (SQL_ASCII databases) and escapes of half a
/// character. Both become U+FFFD.
void write_document(const Column& column, std::string_view text, Buffer& out) {
  const std::size_t before = out.size();
  std::size_t copied = 0;
  const auto copy_until = [&](std::size_t at, std::size_t next) {
    out.append(text.substr(copied, at - copied));
    copied = next;
  };
  int depth = 0;
  bool in_string = false;
  std::size_t at = 0;
  while (at < text.size()) {
    const char character = text[at];
    const auto byte = static_cast<unsigned char>(character);
    if (!in_string) {
      if (byte <= ' ') {
        copy_until(at, at + 1);
      }
      depth += static_cast<int>(character == '{' || character == '[');
      depth -= static_cast<int>(character == '}' || character == ']');
      in_string = character == '"';
      ++at;
    } else if (character == '\\') {
      const unsigned unit = code_unit(text, at);
      const bool pair = is_high_surrogate(unit) && is_low_surrogate(code_unit(text, at + kUnicodeEscape));
      if (!pair && (is_high_surrogate(unit) || is_low_surrogate(unit))) {
        copy_until(at, at + kUnicodeEscape);
        out.append("\\ufffd");
      }
      at += pair ? 2 * kUnicodeEscape : unit != 0 ? kUnicodeEscape : 2;
    } else if (byte >= 0x80) {
      const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
      const auto* const end = std::find_if(text.begin() + at, text.end(), is_ascii);
      const auto next = static_cast<std::size_t>(end - text.begin());
      copy_until(at, next);
      append_json_characters(out, text.substr(at, next - at));
      at = next;
    } else {
      if (byte < ' ') {
        malformed(column, text);
      }
      in_string = character != '"';
      ++at;
    }
  }
  if (in_string || depth != 0 || at != text.size()) {
    malformed(column, text);
  }
  copy_until(text.size(), text.size());
  if (out.size() == before) {
    malformed(column, text);
  }
}

}  // namespace

void json(const Column& column, std::string_view value, Buffer& out) {
  if (column.options.json_as_object) {
    write_document(column, value, out);
  } else {
    append_json_string(out, value);
  }
}

void jsonb_binary(const Column& column, std::string_view value, Buffer& out) {
  if (value.empty() || value[0] != kJsonbVersion) {
    malformed(column, value);
  }
  json(column, value.substr(1), out);
}

}  // namespace tap::value
