// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "digits.hpp"

namespace tap::value {

// Times of day are microseconds, as in the binary form.
constexpr std::int64_t kMicrosPerSecond = 1'000'000;
constexpr std::int64_t kMicrosPerDay = 86'400 * kMicrosPerSecond;

/// HH:MM:SS; 24:00:00 is a time of day.
inline char* write_clock(char* to, std::int64_t micros) {
  const auto seconds = static_cast<unsigned>(micros / kMicrosPerSecond);
  to = write_2_digits(to, seconds / 3600);
  *to++ = ':';
  to = write_2_digits(to, seconds / 60 % 60);
  *to++ = ':';
  return write_2_digits(to, seconds % 60);
}

/// Nothing, or a point and six digits, as Python's isoformat() does.
inline char* write_fraction(char* to, std::int64_t micros) {
  const auto fraction = static_cast<unsigned>(micros % kMicrosPerSecond);
  if (fraction == 0) {
    return to;
  }
  *to++ = '.';
  return write_6_digits(to, fraction);
}

/// The same without zeros at the end, as the server does.
inline char* write_short_fraction(char* to, std::int64_t micros) {
  char* end = write_fraction(to, micros);
  while (end != to && end[-1] == '0') {
    --end;
  }
  return end;
}

/// A fraction of the server's with its digits made six.
inline char* write_fraction(char* to, std::string_view fraction) {
  if (fraction.empty()) {
    return to;
  }
  return std::fill_n(std::copy(fraction.begin(), fraction.end(), to), 7 - fraction.size(), '0');
}

/// Drops the start of `text` if it has the shape: 0 stands for any digit, other characters for themselves.
inline bool take_shape(std::string_view& text, std::string_view shape) {
  const auto fits = [](char character, char wanted) {
    return wanted == '0' ? is_digit(character) : character == wanted;
  };
  if (text.size() < shape.size() || !std::equal(shape.begin(), shape.end(), text.begin(),
                                                [&](char wanted, char c) { return fits(c, wanted); })) {
    return false;
  }
  text.remove_prefix(shape.size());
  return true;
}

/// Takes a fraction of one to six digits with its point off the start of `text`; empty if there is none.
inline std::string_view take_fraction(std::string_view& text) {
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
