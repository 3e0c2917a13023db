// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>
#include <cstdint>

#include <tap/base/cursor.hpp>

#include "digits.hpp"
#include "encode_functions.hpp"
#include "value/column_context.hpp"
#include "value/output/output_functions.hpp"

namespace tap::value {

namespace {

// The binary format (numeric_send() in src/backend/utils/adt/numeric.c): a header of four 16-bit integers,
// then `groups` 16-bit integers of four decimal digits each. The first group is multiplied by 10000^weight.
// `scale` is the number of digits after the decimal point.
constexpr std::size_t kHeaderSize = 8;
constexpr unsigned kPositive = 0x0000;
constexpr unsigned kNegative = 0x4000;
constexpr unsigned kNan = 0xC000;
constexpr unsigned kInfinity = 0xD000;
constexpr unsigned kMinusInfinity = 0xF000;
constexpr unsigned kMaxScale = 0x3FFF;
constexpr unsigned kBase = 10'000;

struct Header {
  int groups;
  int weight;
  unsigned sign;
  unsigned scale;
};

Header read_header(const ColumnContext& column, std::string_view value) {
  if (value.size() < kHeaderSize) {
    throw_invalid_value(column, value);
  }
  Cursor from(value);
  const Header header = {from.u16(), from.i16(), from.u16(), from.u16()};
  const bool is_finite = header.sign == kPositive || header.sign == kNegative;
  const bool is_special = header.sign == kNan || header.sign == kInfinity || header.sign == kMinusInfinity;
  if (from.left() != 2 * static_cast<std::size_t>(header.groups) || (!is_finite && !is_special) ||
      (is_finite && header.scale > kMaxScale)) {
    throw_invalid_value(column, value);
  }
  return header;
}

/// Returns the server's text of NaN and the infinities, and nothing for other numbers.
std::string_view non_finite_name(const Header& header) {
  switch (header.sign) {
    case kNan:
      return "NaN";
    case kInfinity:
      return "Infinity";
    case kMinusInfinity:
      return "-Infinity";
    default:
      return {};
  }
}

/// Returns the size to reserve for a finite number. Besides the digits: sign, point, two quotes, and up to
/// three digits that the last group writes past the scale.
std::size_t max_size(const Header& header) {
  return 4 * static_cast<std::size_t>(std::max(header.weight, 0) + 1) + header.scale + 8;
}

/// Writes the digits as the server prints them: at least one before the point, `scale` after it.
char* write_digits(const ColumnContext& column, const Header& header, std::string_view value, char* to) {
  const auto group = [&](int i) {
    if (i < 0 || i >= header.groups) {
      return 0U;
    }
    const unsigned digits = Cursor(value.substr(kHeaderSize + 2 * static_cast<std::size_t>(i))).u16();
    if (digits >= kBase) {
      throw_invalid_value(column, value);
    }
    return digits;
  };
  if (header.weight > 0 && group(0) == 0) {
    throw_invalid_value(column, value);
  }
  if (header.weight < 0) {
    *to++ = '0';
  } else {
    to = std::to_chars(to, to + 4, group(0)).ptr;
  }
  for (int i = 1; i <= header.weight; ++i) {
    to = write_4_digits(to, group(i));
  }
  if (header.scale == 0) {
    return to;
  }
  *to++ = '.';
  char* const end = to + header.scale;
  for (int i = header.weight + 1; to < end; ++i) {
    to = write_4_digits(to, group(i));
  }
  return end;
}

/// Rewrites a number in place as Python's Decimal prints it, and returns the new end: with an exponent if
/// more than five zeros follow the decimal point. `0.0000010` is unchanged, `0.00000010` becomes `1.0E-7`.
char* use_exponent(char* number, char* end) {
  char* const whole = *number == '-' ? number + 1 : number;
  if (end - whole < 2 || whole[0] != '0') {
    return end;
  }
  char* const fraction = whole + 2;
  // At least one digit is left for the coefficient, even if all are zero.
  char* const first = std::find_if(fraction, end - 1, [](char digit) { return digit != '0'; });
  constexpr int max_zeros = 5;
  if (first - fraction <= max_zeros) {
    return end;
  }
  const auto exponent = first - fraction + 1;
  char* to = whole;
  *to++ = *first;
  if (first + 1 != end) {
    *to++ = '.';
    to = std::copy(first + 1, end, to);
  }
  *to++ = 'E';
  *to++ = '-';
  return std::to_chars(to, end, exponent).ptr;
}

bool is_plain_number(std::string_view text) {
  text.remove_prefix(text.starts_with('-') ? 1 : 0);
  const auto point = std::min(text.find('.'), text.size());
  const auto whole = text.substr(0, point);
  const auto all_digits = [](std::string_view digits) { return std::ranges::all_of(digits, is_digit); };
  const bool leading_zero = whole.size() > 1 && whole[0] == '0';
  if (whole.empty() || leading_zero || !all_digits(whole)) {
    return false;
  }
  return point == text.size() || (point + 1 < text.size() && all_digits(text.substr(point + 1)));
}

bool is_string(const ColumnContext& column) {
  return column.options.numeric_as == EncodingOptions::NumericAs::decimal_string;
}

}  // namespace

void encode_numeric_binary(const ColumnContext& column, std::string_view value, Buffer& out) {
  const Header header = read_header(column, value);
  if (const auto name = non_finite_name(header); !name.empty()) {
    return write_non_finite(column, name, out);
  }
  char* const start = out.reserve(max_size(header));
  const bool quoted = is_string(column);
  char* to = start;
  if (quoted) {
    *to++ = '"';
  }
  char* const number = to;
  if (header.sign == kNegative) {
    *to++ = '-';
  }
  to = write_digits(column, header, value, to);
  if (quoted) {
    *to++ = '"';
  } else {
    to = use_exponent(number, to);
  }
  out.commit(to);
}

void output_numeric(const ColumnContext& column, std::string_view value, Buffer& out) {
  const Header header = read_header(column, value);
  if (const auto name = non_finite_name(header); !name.empty()) {
    return out.append(name);
  }
  char* to = out.reserve(max_size(header));
  if (header.sign == kNegative) {
    *to++ = '-';
  }
  out.commit(write_digits(column, header, value, to));
}

void encode_numeric_text(const ColumnContext& column, std::string_view value, Buffer& out) {
  if (value == "NaN" || value == "Infinity" || value == "-Infinity") {
    return write_non_finite(column, value, out);
  }
  if (!is_plain_number(value)) {
    throw_invalid_value(column, value);
  }
  if (is_string(column)) {
    return append_json_string(out, value);
  }
  char* const to = out.reserve(value.size());
  out.commit(use_exponent(to, std::copy(value.begin(), value.end(), to)));
}

}  // namespace tap::value
