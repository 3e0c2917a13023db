// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <tap/base/buffer.hpp>

namespace tap {

/// Appends `text` as a JSON string in quotes. Each byte that is not part of valid UTF-8 becomes U+FFFD, so
/// that the line is valid whatever a SQL_ASCII database contains.
void append_json_string(Buffer& out, std::string_view text);
/// The same without the quotes, to write a string in pieces. A piece must not end inside a character.
void append_json_characters(Buffer& out, std::string_view text);

/// Size of the words in which strings are copied as long as they contain no special byte: a quote, a
/// backslash, a control character or a byte that is not ASCII.
constexpr std::size_t kWord = sizeof(std::uint64_t);

/// Returns a word whose bytes are all `byte`.
constexpr std::uint64_t repeat_byte(std::uint8_t byte) {
  return 0x0101010101010101U * byte;
}

/// Sets the high bit of each special byte and clears all other bits, except that the high bits of bytes more
/// significant than a special one may be set, too.
constexpr std::uint64_t find_special_bytes(std::uint64_t word) {
  const std::uint64_t control = word - repeat_byte(0x20);
  const std::uint64_t quote = (word ^ repeat_byte('"')) - repeat_byte(1);
  const std::uint64_t backslash = (word ^ repeat_byte('\\')) - repeat_byte(1);
  return (control | quote | backslash | word) & repeat_byte(0x80);
}

/// True if one of the eight bytes is special.
constexpr bool has_special_byte(std::uint64_t word) {
  return find_special_bytes(word) != 0;
}

}  // namespace tap
