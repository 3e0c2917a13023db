// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <iterator>

#include <spdlog/fmt/fmt.h>

#include <tap/base/text.hpp>

namespace tap {

namespace {

std::uint32_t code_point(const unsigned char* at, std::size_t length) {
  std::uint32_t code = at[0] & (0xFFU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    code = code << 6U | (at[i] & 0x3FU);
  }
  return code;
}

/// True for C1 controls, line separators and the characters that change the direction of text (UAX #9).
bool acts_on_terminal(std::uint32_t code) {
  return (code >= 0x80 && code <= 0x9F) || code == 0x61C || code == 0x200E || code == 0x200F ||
         (code >= 0x2028 && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
}

}  // namespace

std::string to_printable_line(std::string_view text) {
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
    } else if (const std::uint32_t code = code_point(at, length); acts_on_terminal(code)) {
      fmt::format_to(std::back_inserter(line), "\\u{:04x}", code);
    } else {
      line.append(reinterpret_cast<const char*>(at), length);
    }
    at += length;
  }
  return line;
}

bool is_utf8(std::string_view text) {
  const auto* at = reinterpret_cast<const unsigned char*>(text.data());
  const auto* const end = at + text.size();
  while (at != end) {
    const std::size_t length = *at < 0x80 ? 1 : utf8_length(at, end);
    if (length == 0) {
      return false;
    }
    at += length;
  }
  return true;
}

std::string collapse_whitespace(std::string_view text) {
  std::string line;
  for (const char c : text) {
    const bool blank = c == '\n' || c == '\t' || c == ' ';
    if (!blank) {
      line += c;
    } else if (!line.empty() && line.back() != ' ') {
      line += ' ';
    }
  }
  while (!line.empty() && line.back() == ' ') {
    line.pop_back();
  }
  return line;
}

std::vector<std::string_view> split_at_commas(std::string_view text) {
  std::vector<std::string_view> parts;
  auto comma = text.find(',');
  for (; comma != std::string_view::npos; comma = text.find(',')) {
    parts.push_back(text.substr(0, comma));
    text.remove_prefix(comma + 1);
  }
  parts.push_back(text);
  return parts;
}

bool has_replacement_character(std::string_view text) {
  return text.find("\xef\xbf\xbd") != std::string_view::npos;
}

std::uint64_t stable_hash(std::string_view text) {
  constexpr std::uint64_t basis = 0xcbf29ce484222325;
  constexpr std::uint64_t prime = 0x100000001b3;
  std::uint64_t value = basis;
  for (const char byte : text) {
    value = (value ^ static_cast<unsigned char>(byte)) * prime;
  }
  return value;
}

}  // namespace tap
