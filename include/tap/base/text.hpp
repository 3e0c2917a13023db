// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tap {

/// Escapes `text` so that it prints as one line and cannot act on a terminal: control characters (C0, DEL,
/// C1), line separators and characters that change the direction of text are written as in JSON (`\n`,
/// `\u001b`,
/// `\u202e`), bytes that are not UTF-8 as `\xff`. A one-line JSON document keeps its meaning.
std::string to_printable_line(std::string_view text);

/// Replaces each run of blanks, tabs and newlines by one blank and removes those at the ends: messages of
/// libpq and libssh as one line.
std::string collapse_whitespace(std::string_view text);

/// Splits `text` at its commas, without trimming. Text without a comma is one part, also if it is empty. The
/// parts are views into `text`.
std::vector<std::string_view> split_at_commas(std::string_view text);

/// Returns the length in bytes of the valid UTF-8 character (RFC 3629: no surrogates, no overlong forms) that
/// starts at `at`, or 0 if there is none. The byte at `at` must not be ASCII.
inline std::size_t utf8_length(const unsigned char* at, const unsigned char* end) {
  const auto continues = [&](std::size_t i) {
    return static_cast<std::size_t>(end - at) > i && (at[i] & 0xC0U) == 0x80;
  };
  const unsigned lead = at[0];
  if (lead >= 0xC2 && lead <= 0xDF) {
    return continues(1) ? 2 : 0;
  }
  if (lead >= 0xE0 && lead <= 0xEF) {
    if (!continues(1) || !continues(2)) {
      return 0;
    }
    const bool overlong = lead == 0xE0 && at[1] < 0xA0;
    const bool surrogate = lead == 0xED && at[1] >= 0xA0;
    return overlong || surrogate ? 0 : 3;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    if (!continues(1) || !continues(2) || !continues(3)) {
      return 0;
    }
    const bool overlong = lead == 0xF0 && at[1] < 0x90;
    const bool beyond = lead == 0xF4 && at[1] >= 0x90;
    return overlong || beyond ? 0 : 4;
  }
  return 0;
}

/// True if all bytes of `text` are part of valid UTF-8.
bool is_utf8(std::string_view text);

/// True if the text contains U+FFFD, which stands for bytes that were not UTF-8 in what JSON holds: a name
/// with it in a catalog is not the name in the database.
bool has_replacement_character(std::string_view text);

/// The FNV-1a hash of a text, to be stored or compared by other processes: the values of std::hash differ
/// between libraries.
std::uint64_t stable_hash(std::string_view text);

}  // namespace tap
