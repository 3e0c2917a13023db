// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include "bookmark_order.hpp"

namespace tap::sync {

namespace {

/// A decimal number: 0.`digits` times 10 to the power of `exponent`.
struct Decimal {
  bool is_negative = false;
  std::string digits{};  ///< without zeros at the ends; empty for 0
  std::int64_t exponent = 0;
};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// Parses a JSON number or the same in a string, which is how bookmarks keep long numbers.
std::optional<Decimal> parse_decimal(std::string_view text) {
  Decimal number;
  if (text.starts_with('-')) {
    number.is_negative = true;
    text.remove_prefix(1);
  }
  constexpr std::size_t most_digits_of_exponent = 9;
  const std::size_t e = std::min(text.find_first_of("eE"), text.size());
  std::string_view power = text.substr(std::min(e + 1, text.size()));
  text = text.substr(0, e);
  const std::size_t point = std::min(text.find('.'), text.size());
  number.digits = text.substr(0, point);
  number.digits += text.substr(std::min(point + 1, text.size()));
  number.exponent = static_cast<std::int64_t>(point);
  const bool has_negative_power = power.starts_with('-');
  power.remove_prefix(has_negative_power || power.starts_with('+') ? 1 : 0);
  if (number.digits.empty() || !std::ranges::all_of(number.digits, is_digit) ||
      !std::ranges::all_of(power, is_digit) || power.size() > most_digits_of_exponent) {
    return std::nullopt;
  }
  if (!power.empty()) {
    const std::int64_t shift = std::stoll(std::string(power));
    number.exponent += has_negative_power ? -shift : shift;
  }
  const std::size_t zeros = std::min(number.digits.find_first_not_of('0'), number.digits.size());
  number.digits.erase(0, zeros);
  number.exponent -= static_cast<std::int64_t>(zeros);
  number.digits.erase(number.digits.find_last_not_of('0') + 1);
  return number;
}

std::partial_ordering compare(const Decimal& a, const Decimal& b) {
  const auto sign = [](const Decimal& number) {
    return number.digits.empty() ? 0 : number.is_negative ? -1 : 1;
  };
  if (sign(a) != sign(b) || sign(a) == 0) {
    return sign(a) <=> sign(b);
  }
  const std::strong_ordering size =
      a.exponent != b.exponent ? a.exponent <=> b.exponent : a.digits.compare(b.digits) <=> 0;
  return a.is_negative ? 0 <=> size : size;
}

/// The text with each digit replaced by `0`.
std::string shape_of(std::string_view text) {
  std::string shape(text);
  std::ranges::replace_if(shape, is_digit, '0');
  return shape;
}

/// True for texts of a form whose order is that of their bytes: timestamps in UTC, dates, times of day and
/// UUIDs.
bool has_order_of_bytes(std::string_view text) {
  constexpr std::string_view utc = "+00:00";
  constexpr std::string_view timestamp = "0000-00-00T00:00:00";
  constexpr std::string_view time = "00:00:00";
  constexpr std::size_t uuid = 36;
  const bool is_hexadecimal =
      std::ranges::all_of(text, [](char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || c == '-'; });
  if (is_hexadecimal && text.size() == uuid && std::ranges::count(text, '-') == 4) {
    return true;
  }
  const std::string shape = shape_of(text.ends_with(utc) ? text.substr(0, text.size() - utc.size()) : text);
  const std::string_view start = shape.starts_with(timestamp) ? timestamp : time;
  if (!shape.starts_with(start)) {
    return false;
  }
  const std::string_view fraction = std::string_view(shape).substr(start.size());
  return fraction.empty() || (fraction.starts_with('.') && fraction.size() > 1 &&
                              fraction.find_first_not_of('0', 1) == std::string_view::npos);
}

std::string text_of(const Json& value) {
  return value.is_string() ? value.get<std::string>() : number_text(value);
}

}  // namespace

std::partial_ordering compare_key_values(const Json& a, const Json& b) {
  const auto is_comparable = [](const Json& value) { return value.is_string() || is_number(value); };
  if (a.is_boolean() && b.is_boolean()) {
    return a.get<bool>() <=> b.get<bool>();
  }
  if (!is_comparable(a) || !is_comparable(b)) {
    return std::partial_ordering::unordered;
  }
  const std::string first = text_of(a);
  const std::string second = text_of(b);
  const auto first_number = parse_decimal(first);
  const auto second_number = parse_decimal(second);
  // Shorter digits in a string are text, whose order is another one.
  const bool is_long = std::max(first.size(), second.size()) > std::numeric_limits<double>::digits10;
  if (first_number && second_number && (is_number(a) || is_number(b) || is_long)) {
    return compare(*first_number, *second_number);
  }
  if (has_order_of_bytes(first) && has_order_of_bytes(second)) {
    return first.compare(second) <=> 0;
  }
  return std::partial_ordering::unordered;
}

}  // namespace tap::sync
