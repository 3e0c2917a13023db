// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "digits.hpp"

namespace tap::value {

// Times of day are in microseconds, as in the binary formats.
constexpr std::int64_t kMicrosPerSecond = 1'000'000;
constexpr std::int64_t kMicrosPerDay = 86'400 * kMicrosPerSecond;

/// Writes HH:MM:SS. 24:00:00 is valid.
inline char* write_clock(char* to, std::int64_t micros) {
  const auto seconds = static_cast<unsigned>(micros / kMicrosPerSecond);
  to = write_2_digits(to, seconds / 3600);
  *to++ = ':';
  to = write_2_digits(to, seconds / 60 % 60);
  *to++ = ':';
  return write_2_digits(to, seconds % 60);
}

/// Writes a point and six digits, or nothing if the fraction is zero, as Python's isoformat() does.
inline char* write_fraction(char* to, std::int64_t micros) {
  const auto fraction = static_cast<unsigned>(micros % kMicrosPerSecond);
  if (fraction == 0) {
    return to;
  }
  *to++ = '.';
  return write_6_digits(to, fraction);
}

/// The same without trailing zeros, as the server does.
inline char* write_short_fraction(char* to, std::int64_t micros) {
  char* end = write_fraction(to, micros);
  while (end != to && end[-1] == '0') {
    --end;
  }
  return end;
}

/// Writes a fraction from the server's text, with its decimal point, extended to six digits.
inline char* write_fraction(char* to, std::string_view fraction) {
  if (fraction.empty()) {
    return to;
  }
  return std::fill_n(std::copy(fraction.begin(), fraction.end(), to), 7 - fraction.size(), '0');
}

/// Removes `pattern` from the start of `text`; false if it does not match. In `pattern`, 0 matches any digit.
inline bool consume_pattern(std::string_view& text, std::string_view pattern) {
  const auto fits = [](char character, char wanted) {
    return wanted == '0' ? is_digit(character) : character == wanted;
  };
  if (text.size() < pattern.size() || !std::equal(pattern.begin(), pattern.end(), text.begin(),
                                                  [&](char wanted, char c) { return fits(c, wanted); })) {
    return false;
  }
  text.remove_prefix(pattern.size());
  return true;
}

/// Removes a fraction of one to six digits from the start of `text` and returns it with its decimal point;
/// empty if there is none.
inline std::string_view consume_fraction(std::string_view& text) {
  if (text.size() < 2 || text[0] != '.' || !is_digit(text[1])) {
    return {};
  }
  std::size_t size = 2;
  while (size < std::min<std::size_t>(text.size(), 7) && is_digit(text[size])) {
    ++size;
  }
  const auto fraction = text.substr(0, size);
  text.remove_prefix(size);
  return fraction;
}

}  // namespace tap::value
