// SPDX-License-Identifier: Apache-2.0
// Integers, floating point, boolean and bit.
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include <tap/base/cursor.hpp>

#include "encode_functions.hpp"
#include "value/column_context.hpp"

namespace tap::value {

namespace {

constexpr std::size_t kMaxNumberSize = 32;  // a double needs at most 24 characters

void write_integer(std::int64_t value, Buffer& out) {
  char* to = out.reserve(kMaxNumberSize);
  out.commit(std::to_chars(to, to + kMaxNumberSize, value).ptr);
}

/// Writes `count` digits with a decimal point after the first `whole`, adding zeros if `whole` is negative or
/// greater than `count`.
char* write_fixed(char* to, const char* digits, int count, int whole) {
  const auto copy = [&](const char* from, int size) {
    std::memcpy(to, from, static_cast<std::size_t>(size));
    to += size;
  };
  const auto zeros = [&](int size) {
    std::memset(to, '0', static_cast<std::size_t>(size));
    to += size;
  };
  if (whole <= 0) {
    copy("0.", 2);
    zeros(-whole);
    copy(digits, count);
  } else if (whole >= count) {
    copy(digits, count);
    zeros(whole - count);
    copy(".0", 2);
  } else {
    copy(digits, whole);
    *to++ = '.';
    copy(digits + whole, count - whole);
  }
  return to;
}

/// Writes a number that has at most four decimals; returns null for other numbers. Most numbers do, and for
/// them this is faster than std::to_chars(). The digits are right if dividing them gives `value` back: no two
/// decimal numbers of up to digits10 digits have the same floating-point value. `value` must not be negative.
template <class Float>
char* write_few_decimals(char* to, Float value) {
  constexpr int max_decimals = 4;
  constexpr Float limit = [] {
    Float power = 1;
    for (int i = 0; i < std::numeric_limits<Float>::digits10; ++i) {
      power *= 10;
    }
    return power;
  }();
  Float scale = 1;
  for (int decimals = 0; decimals <= max_decimals; ++decimals, scale *= 10) {
    const Float scaled = value * scale;
    if (scaled >= limit - 1) {
      return nullptr;
    }
    const auto whole = static_cast<std::int64_t>(scaled + Float(0.5));
    if (static_cast<Float>(whole) / scale == value) {
      char digits[kMaxNumberSize];
      const char* const end = std::to_chars(digits, digits + kMaxNumberSize, whole).ptr;
      const int count = static_cast<int>(end - digits);
      return write_fixed(to, digits, count, count - decimals);
    }
  }
  return nullptr;
}

/// Writes the shortest digits that parse back to `value`, which must not be negative.
template <class Float>
char* write_shortest(char* to, Float value) {
  // d.ddde+xx, as in Python, which writes numbers with small exponents without one.
  char* const end = std::to_chars(to, to + kMaxNumberSize - 1, value, std::chars_format::scientific).ptr;
  const char* const mark = end[-4] == 'e' ? end - 4 : end - 5;
  int exponent = 0;
  std::from_chars(mark + 2, end, exponent);
  exponent = mark[1] == '-' ? -exponent : exponent;
  if (exponent < -4 || exponent >= 16) {
    return end;
  }
  char digits[kMaxNumberSize];
  digits[0] = to[0];
  int count = 1;
  for (const char* at = to + 2; at < mark; ++at) {
    digits[count++] = *at;
  }
  return write_fixed(to, digits, count, exponent + 1);
}

/// Writes a number as Python's repr() does: `5.0`, `1e+16`.
template <class Float>
void write_float(const ColumnContext& column, Float value, Buffer& out) {
  if (!std::isfinite(value)) {
    write_non_finite(column, std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity", out);
    return;
  }
  char* to = out.reserve(kMaxNumberSize);
  if (std::signbit(value)) {
    *to++ = '-';
    value = -value;
  }
  char* const end = write_few_decimals(to, value);
  out.commit(end != nullptr ? end : write_shortest(to, value));
}

template <class Number>
Number parse(const ColumnContext& column, std::string_view value) {
  Number number{};
  const char* const end = value.data() + value.size();
  const auto [parsed, error] = std::from_chars(value.data(), end, number);
  if (error != std::errc{} || parsed != end) {
    throw_invalid_value(column, value);
  }
  return number;
}

}  // namespace

void encode_int2_binary(const ColumnContext& column, std::string_view value, Buffer& out) {
  require_size(column, value, sizeof(std::int16_t));
  write_integer(Cursor(value).i16(), out);
}

void encode_int4_binary(const ColumnContext& column, std::string_view value, Buffer& out) {
  require_size(column, value, sizeof(std::int32_t));
  write_integer(Cursor(value).i32(), out);
}

void encode_int8_binary(const ColumnContext& column, std::string_view value, Buffer& out) {
  require_size(column, value, sizeof(std::int64_t));
  write_integer(Cursor(value).i64(), out);
}

void encode_integer_text(const ColumnContext& column, std::string_view value, Buffer& out) {
  write_integer(parse<std::int64_t>(column, value), out);
}

void encode_float4_binary(const ColumnContext& column, std::string_view value, Buffer& out) {
  require_size(column, value, sizeof(float));
  write_float(column, std::bit_cast<float>(Cursor(value).u32()), out);
}

void encode_float4_text(const ColumnContext& column, std::string_view value, Buffer& out) {
  write_float(column, parse<float>(column, value), out);
}

void encode_float8_binary(const ColumnContext& column, std::string_view value, Buffer& out) {
  require_size(column, value, sizeof(double));
  write_float(column, std::bit_cast<double>(Cursor(value).u64()), out);
}

void encode_float8_text(const ColumnContext& column, std::string_view value, Buffer& out) {
  write_float(column, parse<double>(column, value), out);
}

void encode_bool_binary(const ColumnContext& column, std::string_view value, Buffer& out) {
  require_size(column, value, 1);
  out.append(value[0] != 0 ? "true" : "false");
}

void encode_bool_text(const ColumnContext& column, std::string_view value, Buffer& out) {
  // The output function writes t and f, wal2json the words.
  const bool is_true = value == "t" || value == "true";
  if (!is_true && value != "f" && value != "false") {
    throw_invalid_value(column, value);
  }
  out.append(is_true ? "true" : "false");
}

void encode_bit_binary(const ColumnContext& column, std::string_view value, Buffer& out) {
  constexpr std::size_t size_of_one_bit = sizeof(std::int32_t) + 1;
  if (value.size() == size_of_one_bit && Cursor(value).i32() == 1 && !column.options.bits_as_text) {
    out.append((value.back() & 0x80) != 0 ? "true" : "false");
  } else {
    encode_output_text(column, value, out);
  }
}

void encode_bit_text(const ColumnContext& column, std::string_view value, Buffer& out) {
  if (value.find_first_not_of("01") != std::string_view::npos) {
    throw_invalid_value(column, value);
  }
  if (value.size() == 1 && !column.options.bits_as_text) {
    out.append(value == "1" ? "true" : "false");
  } else {
    append_json_string(out, value);
  }
}

}  // namespace tap::value
