// SPDX-License-Identifier: Apache-2.0
// Identifiers of objects, rows, transactions and WAL positions; uuid.
#include <charconv>
#include <cstdint>

#include <spdlog/fmt/fmt.h>

#include <tap/base/cursor.hpp>

#include "output_functions.hpp"
#include "value/column_context.hpp"
#include "value/encoders/digits.hpp"

namespace tap::value {

namespace {

constexpr std::size_t kMaxIntegerSize = 20;

void append_integer(std::uint64_t value, Buffer& out) {
  char* to = out.reserve(kMaxIntegerSize);
  out.commit(std::to_chars(to, to + kMaxIntegerSize, value).ptr);
}

}  // namespace

void output_uint32(const ColumnContext& column, std::string_view value, Buffer& out) {
  require_size(column, value, sizeof(std::uint32_t));
  append_integer(Cursor(value).u32(), out);
}

void output_uint64(const ColumnContext& column, std::string_view value, Buffer& out) {
  require_size(column, value, sizeof(std::uint64_t));
  append_integer(Cursor(value).u64(), out);
}

void output_tid(const ColumnContext& column, std::string_view value, Buffer& out) {
  require_size(column, value, sizeof(std::uint32_t) + sizeof(std::uint16_t));
  Cursor from(value);
  out.push('(');
  append_integer(from.u32(), out);
  out.push(',');
  append_integer(from.u16(), out);
  out.push(')');
}

void output_lsn(const ColumnContext& column, std::string_view value, Buffer& out) {
  require_size(column, value, sizeof(std::uint64_t));
  constexpr std::size_t max_size = 17;
  constexpr int version_with_zeros = 190000;
  Cursor from(value);
  const std::uint32_t high = from.u32();
  const std::uint32_t low = from.u32();
  char* const to = out.reserve(max_size);
  out.commit(column.server_version >= version_with_zeros ? fmt::format_to(to, "{:X}/{:08X}", high, low)
                                                         : fmt::format_to(to, "{:X}/{:X}", high, low));
}

void output_snapshot(const ColumnContext& column, std::string_view value, Buffer& out) {
  // The number of transactions in progress, xmin, xmax, the transactions in progress.
  constexpr std::size_t header_size = sizeof(std::int32_t) + 2 * sizeof(std::uint64_t);
  if (value.size() < header_size) {
    throw_invalid_value(column, value);
  }
  Cursor from(value);
  const std::int32_t count = from.i32();
  if (count < 0 || value.size() != header_size + sizeof(std::uint64_t) * static_cast<std::size_t>(count)) {
    throw_invalid_value(column, value);
  }
  append_integer(from.u64(), out);
  out.push(':');
  append_integer(from.u64(), out);
  out.push(':');
  for (std::int32_t i = 0; i < count; ++i) {
    if (i > 0) {
      out.push(',');
    }
    append_integer(from.u64(), out);
  }
}

void output_uuid(const ColumnContext& column, std::string_view value, Buffer& out) {
  require_size(column, value, 16);
  char* to = out.reserve(36);
  to = write_hex(to, value.substr(0, 4));
  for (std::size_t at = 4; at < 10; at += 2) {
    *to++ = '-';
    to = write_hex(to, value.substr(at, 2));
  }
  *to++ = '-';
  out.commit(write_hex(to, value.substr(10)));
}

}  // namespace tap::value
