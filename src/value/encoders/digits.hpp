// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstring>
#include <string_view>

namespace tap::value {

/// The pairs "00" to "99" in one string.
constexpr std::array<char, 200> kDigitPairs = [] {
  std::array<char, 200> pairs{};
  for (std::size_t i = 0; i < 100; ++i) {
    pairs[2 * i] = static_cast<char>('0' + i / 10);
    pairs[2 * i + 1] = static_cast<char>('0' + i % 10);
  }
  return pairs;
}();

/// The pairs "00" to "ff" in one string.
constexpr std::array<char, 512> kHexPairs = [] {
  constexpr std::string_view digits = "0123456789abcdef";
  std::array<char, 512> pairs{};
  for (std::size_t i = 0; i < 256; ++i) {
    pairs[2 * i] = digits[i / 16];
    pairs[2 * i + 1] = digits[i % 16];
  }
  return pairs;
}();

/// Writes two digits for each byte and returns their end.
inline char* write_hex(char* to, std::string_view bytes) {
  for (const char byte : bytes) {
    std::memcpy(to, &kHexPairs[2 * static_cast<std::size_t>(static_cast<unsigned char>(byte))], 2);
    to += 2;
  }
  return to;
}

/// Each writes a number below 10^N as N digits and returns their end.
inline char* write_2_digits(char* to, unsigned value) {
  std::memcpy(to, &kDigitPairs[2 * static_cast<std::size_t>(value)], 2);
  return to + 2;
}
inline char* write_4_digits(char* to, unsigned value) {
  return write_2_digits(write_2_digits(to, value / 100), value % 100);
}
inline char* write_6_digits(char* to, unsigned value) {
  return write_4_digits(write_2_digits(to, value / 10'000), value % 10'000);
}

constexpr bool is_digit(char character) {
  return character >= '0' && character <= '9';
}

}  // namespace tap::value
