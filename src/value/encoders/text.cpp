// SPDX-License-Identifier: Apache-2.0
// Types whose JSON is the server's text as a string. The binary formats of bytea and uuid become the same
// text.
#include <array>
#include <cstring>

#include "encode_functions.hpp"
#include "value/column_context.hpp"

namespace tap::value {

namespace {

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

char* write_hex(char* to, std::string_view bytes) {
  for (const char byte : bytes) {
    std::memcpy(to, &kHexPairs[2 * static_cast<std::size_t>(static_cast<unsigned char>(byte))], 2);
    to += 2;
  }
  return to;
}

}  // namespace

void encode_text(const ColumnContext& /*column*/, std::string_view value, Buffer& out) {
  append_json_string(out, value);
}

void encode_bytea_binary(const ColumnContext& /*column*/, std::string_view value, Buffer& out) {
  constexpr std::string_view prefix = R"("\\x)";
  char* to = out.reserve(prefix.size() + 2 * value.size() + 1);
  std::memcpy(to, prefix.data(), prefix.size());
  to = write_hex(to + prefix.size(), value);
  *to++ = '"';
  out.commit(to);
}

void encode_uuid_binary(const ColumnContext& column, std::string_view value, Buffer& out) {
  require_size(column, value, 16);
  char* to = out.reserve(38);
  *to++ = '"';
  to = write_hex(to, value.substr(0, 4));
  for (std::size_t at = 4; at < 10; at += 2) {
    *to++ = '-';
    to = write_hex(to, value.substr(at, 2));
  }
  *to++ = '-';
  to = write_hex(to, value.substr(10));
  *to++ = '"';
  out.commit(to);
}

}  // namespace tap::value
