// SPDX-License-Identifier: Apache-2.0
// Integers, floating point, boolean and bit.
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include <tap/base/cursor.hpp>

#include "encoders.hpp"
#include "value/column.hpp"

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

/// Most numbers have few decimals, and to find those takes less than to find the shortest digits of any
/// number. A quotient that gives the number back has them: no two decimals of digits10 digits make the same
/// number. Returns null for other numbers. `value` is not negative.
template <class Float>
char* write_few_decimals(char* to, Float value) {
  constexpr int most_decimals = 4;
  constexpr Float limit = [] {
    Float power = 1;
    for (int i = 0; i < std::numeric_limits<Float>::digits10; ++i) {
      power *= 10;
    }
    return power;
  }();
  Float scale = 1;
  for (int decimals = 0; decimals <= most_decimals; ++decimals, scale *= 10) {
    const Float scaled = value * scale;
    if (scaled >= limit - 1) {
      return nullptr;
    }
    const auto whole = static_cast<std::int64_t>(scaled + Float(0.5));
    if (static_cast<Float>(whole) / scale == value) {
      char digits[kLongestNumber];
      const char* const end = std::to_chars(digits, digits + kLongestNumber, whole).ptr;
      const int count = static_cast<int>(end - digits);
      return write_fixed(to, digits, count, count - decimals);
    }
  }
  return nullptr;
}

/// The shortest digits that give the number back, as std::to_chars() finds them.
template <class Float>
char* write_shortest(char* to, Float value) {
  // d.ddde+xx. Python's exponents look the same; small ones are spelled out.
  char* const end = std::to_chars(to, to + kLongestNumber - 1, value, std::chars_format::scientific).ptr;
  const char* const mark = end[-4] == 'e' ? end - 4 : end - 5;
  int exponent = 0;
  std::from_chars(mark + 2, end, exponent);
  exponent = mark[1] == '-' ? -exponent : exponent;
  if (exponent < -4 || exponent >= 16) {
    return end;
  }
  char digits[kLongestNumber];
  digits[0] = to[0];
  int count = 1;
  for (const char* at = to + 2; at < mark; ++at) {
    digits[count++] = *at;
  }
  return write_fixed(to, digits, count, exponent + 1);
}

/// Writes a number as Python's repr() does: `5.0`, `1e+16`.
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
  char* const end = write_few_decimals(to, value);
  out.commit(end != nullptr ? end : write_shortest(to, value));
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
