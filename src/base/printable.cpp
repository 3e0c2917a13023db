// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <iterator>

#include <spdlog/fmt/fmt.h>

#include <tap/base/printable.hpp>

#include "utf8.hpp"

namespace tap {

namespace {

std::uint32_t code_point(const unsigned char* at, std::size_t length) {
  std::uint32_t code = at[0] & (0xFFU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    code = code << 6U | (at[i] & 0x3FU);
  }
  return code;
}

/// C1 controls, separators of lines, marks and overrides of direction (Unicode, UAX #9).
bool is_dangerous(std::uint32_t code) {
  return (code >= 0x80 && code <= 0x9F) || code == 0x61C || code == 0x200E || code == 0x200F ||
         (code >= 0x2028 && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
}

}  // namespace

std::string printable(std::string_view text) {
  std::string line;
  line.reserve(text.size());
  const auto* at = reinterpret_cast<const unsigned char*>(text.data());
  const auto* const end = at + text.size();
  while (at != end) {
    const unsigned char byte = *at;
    std::size_t length = 1;
    if (byte == '\n' || byte == '\r' || byte == '\t') {
      line += byte == '\n' ? "\\n" : byte == '\r' ? "\\r" : "\\t";
    } else if (byte < 0x20 || byte == 0x7F) {
      fmt::format_to(std::back_inserter(line), "\\u{:04x}", byte);
    } else if (byte < 0x80) {
      line += static_cast<char>(byte);
    } else if (length = utf8_length(at, end); length == 0) {
      length = 1;
      fmt::format_to(std::back_inserter(line), "\\x{:02x}", byte);
    } else if (const std::uint32_t code = code_point(at, length); is_dangerous(code)) {
      fmt::format_to(std::back_inserter(line), "\\u{:04x}", code);
    } else {
      line.append(reinterpret_cast<const char*>(at), length);
    }
    at += length;
  }
  return line;
}

}  // namespace tap
