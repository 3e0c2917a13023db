// SPDX-License-Identifier: Apache-2.0
// Integers, floating point, boolean and bit.
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>

#include <tap/base/cursor.hpp>

#include "column.hpp"
#include "encoders.hpp"

namespace tap::value {

namespace {

constexpr std::size_t kLongestNumber = 32;  // a double's digits, sign, point and exponent are 24

void write_integer(std::int64_t value, Buffer& out) {
  char* to = out.reserve(kLongestNumber);
  out.commit(std::to_chars(to, to + kLongestNumber, value).ptr);
}

/// Writes `count` digits with a point after the first `whole` of them, which may be more than there are or
/// none at all.
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

/// Writes the shortest digits that give the number back, laid out as Python's repr() does: `5.0`, `1e+16`.
template <class Float>
void write_float(const Column& column, Float value, Buffer& out) {
  if (!std::isfinite(value)) {
    write_non_finite(column, std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity", out);
    return;
  }
  char* to = out.reserve(kLongestNumber);
  if (std::signbit(value)) {
    *to++ = '-';
    value = -value;
  }
  // d.ddde+xx. Python's exponents look the same; small ones are spelled out.
  char* const end = std::to_chars(to, to + kLongestNumber - 1, value, std::chars_format::scientific).ptr;
  const char* const mark = end[-4] == 'e' ? end - 4 : end - 5;
  int exponent = 0;
  std::from_chars(mark + 2, end, exponent);
  exponent = mark[1] == '-' ? -exponent : exponent;
  if (exponent < -4 || exponent >= 16) {
    out.commit(end);
    return;
  }
  char digits[kLongestNumber];
  digits[0] = to[0];
  int count = 1;
  for (const char* at = to + 2; at < mark; ++at) {
    digits[count++] = *at;
  }
  out.commit(write_fixed(to, digits, count, exponent + 1));
}

template <class Number>
Number parse(const Column& column, std::string_view value) {
  Number number{};
  const char* const end = value.data() + value.size();
  const auto [parsed, error] = std::from_chars(value.data(), end, number);
  if (error != std::errc{} || parsed != end) {
    malformed(column, value);
  }
  return number;
}

}  // namespace

void int2_binary(const Column& column, std::string_view value, Buffer& out) {
  require_size(column, value, sizeof(std::int16_t));
  write_integer(Cursor(value).i16(), out);
}

void int4_binary(const Column& column, std::string_view value, Buffer& out) {
  require_size(column, value, sizeof(std::int32_t));
  write_integer(Cursor(value).i32(), out);
}

void int8_binary(const Column& column, std::string_view value, Buffer& out) {
  require_size(column, value, sizeof(std::int64_t));
  write_integer(Cursor(value).i64(), out);
}

void integer_text(const Column& column, std::string_view value, Buffer& out) {
  write_integer(parse<std::int64_t>(column, value), out);
}

void float4_binary(const Column& column, std::string_view value, Buffer& out) {
  require_size(column, value, sizeof(float));
  write_float(column, std::bit_cast<float>(Cursor(value).u32()), out);
}

void float4_text(const Column& column, std::string_view value, Buffer& out) {
  write_float(column, parse<float>(column, value), out);
}

void float8_binary(const Column& column, std::string_view value, Buffer& out) {
  require_size(column, value, sizeof(double));
  write_float(column, std::bit_cast<double>(Cursor(value).u64()), out);
}

void float8_text(const Column& column, std::string_view value, Buffer& out) {
  write_float(column, parse<double>(column, value), out);
}

void bool_binary(const Column& column, std::string_view value, Buffer& out) {
  require_size(column, value, 1);
  out.append(value[0] != 0 ? "true" : "false");
}

void bool_text(const Column& column, std::string_view value, Buffer& out) {
  // The output function's t and f; wal2json writes the words.
  const bool is_true = value == "t" || value == "true";
  if (!is_true && value != "f" && value != "false") {
    malformed(column, value);
  }
  out.append(is_true ? "true" : "false");
}

void bit_text(const Column& column, std::string_view value, Buffer& out) {
  if (value.find_first_not_of("01") != std::string_view::npos) {
    malformed(column, value);
  }
  if (value.size() == 1) {
    out.append(value == "1" ? "true" : "false");
  } else {
    append_json_string(out, value);
  }
}

}  // namespace tap::value
