// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace tap {

/// Strings are copied in words of eight bytes as long as nothing in them needs a closer look.
constexpr std::size_t kWord = sizeof(std::uint64_t);

constexpr std::uint64_t every_byte(std::uint8_t byte) {
  return 0x0101010101010101U * byte;
}

/// Has the high bit of each byte set that is a quote, a backslash, a control character or not ASCII. Bytes
/// more significant than one of those may be set, too.
constexpr std::uint64_t bytes_with_care(std::uint64_t word) {
  const std::uint64_t control = word - every_byte(0x20);
  const std::uint64_t quote = (word ^ every_byte('"')) - every_byte(1);
  const std::uint64_t backslash = (word ^ every_byte('\\')) - every_byte(1);
  return (control | quote | backslash | word) & every_byte(0x80);
}

/// True if there is such a byte among the eight.
constexpr bool needs_care(std::uint64_t word) {
  return bytes_with_care(word) != 0;
}

}  // namespace tap
