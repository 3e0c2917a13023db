// SPDX-License-Identifier: Apache-2.0
// inet and cidr: network_send() of src/backend/utils/adt/network.c and src/port/inet_net_ntop.c. macaddr and
// macaddr8.
#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <span>

#include <tap/base/cursor.hpp>

#include "output_functions.hpp"
#include "value/column_context.hpp"
#include "value/encoders/digits.hpp"

namespace tap::value {

namespace {

constexpr unsigned kIpv4 = 2;  // PGSQL_AF_INET
constexpr unsigned kIpv6 = 3;  // PGSQL_AF_INET6
constexpr std::size_t kHeaderSize = 4;
constexpr std::size_t kMaxAddressSize = 64;
constexpr int kWords = 8;  // 16-bit words of an IPv6 address

char* write_byte(char* to, unsigned byte) {
  return std::to_chars(to, to + 3, byte).ptr;
}

char* write_ipv4(char* to, std::string_view address) {
  Cursor from(address);
  to = write_byte(to, from.u8());
  while (!from.at_end()) {
    *to++ = '.';
    to = write_byte(to, from.u8());
  }
  return to;
}

/// Consecutive words of an address: the position of the first one and their number.
struct Run {
  int start = 0;
  int size = 0;
};

/// Returns the first of the longest runs of at least two zero words; its size is 0 if there is none.
Run longest_zeros(std::span<const unsigned, kWords> words) {
  Run longest;
  Run run;
  for (int i = 0; i < kWords; ++i) {
    run = words[static_cast<std::size_t>(i)] != 0 ? Run{i + 1, 0} : Run{run.start, run.size + 1};
    if (run.size > std::max(longest.size, 1)) {
      longest = run;
    }
  }
  return longest;
}

char* write_ipv6(char* to, std::string_view address) {
  std::array<unsigned, kWords> words{};
  Cursor from(address);
  for (unsigned& word : words) {
    word = from.u16();
  }
  const Run zeros = longest_zeros(words);
  const bool has_ipv4 = zeros.start == 0 && (zeros.size == 6 || (zeros.size == 5 && words[5] == 0xFFFF));
  for (int i = 0; i < kWords; ++i) {
    if (zeros.size > 0 && i == zeros.start) {
      *to++ = ':';
      i += zeros.size;
      if (i == kWords) {
        *to++ = ':';
        break;
      }
    }
    if (i != 0) {
      *to++ = ':';
    }
    if (i == 6 && has_ipv4) {
      return write_ipv4(to, address.substr(12));
    }
    to = std::to_chars(to, to + 4, words[static_cast<std::size_t>(i)], 16).ptr;
  }
  return to;
}

void output_mac(const ColumnContext& column, std::string_view value, std::size_t size, Buffer& out) {
  require_size(column, value, size);
  char* to = write_hex(out.reserve(3 * size), value.substr(0, 1));
  for (std::size_t i = 1; i < size; ++i) {
    *to++ = ':';
    to = write_hex(to, value.substr(i, 1));
  }
  out.commit(to);
}

}  // namespace

void output_inet(const ColumnContext& column, std::string_view value, Buffer& out) {
  if (value.size() < kHeaderSize) {
    throw_invalid_value(column, value);
  }
  Cursor from(value);
  const unsigned family = from.u8();
  const unsigned bits = from.u8();
  const bool is_cidr = from.u8() != 0;
  const unsigned size = from.u8();
  const std::string_view address = from.rest();
  const unsigned expected_size = family == kIpv4 ? 4 : 16;
  if ((family != kIpv4 && family != kIpv6) || size != expected_size || address.size() != size ||
      bits > 8 * size) {
    throw_invalid_value(column, value);
  }
  char* to = out.reserve(kMaxAddressSize);
  to = family == kIpv4 ? write_ipv4(to, address) : write_ipv6(to, address);
  if (is_cidr || bits != 8 * size) {
    *to++ = '/';
    to = write_byte(to, bits);
  }
  out.commit(to);
}

void output_macaddr(const ColumnContext& column, std::string_view value, Buffer& out) {
  output_mac(column, value, 6, out);
}

void output_macaddr8(const ColumnContext& column, std::string_view value, Buffer& out) {
  output_mac(column, value, 8, out);
}

}  // namespace tap::value
