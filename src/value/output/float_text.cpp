// SPDX-License-Identifier: Apache-2.0
#include "float_text.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <string_view>

#include <tap/base/cursor.hpp>

#include "output_functions.hpp"
#include "value/column_context.hpp"

namespace tap::value {

namespace {

constexpr int kVersionWithShortestDigits = 120000;
constexpr int kMaxDigits = 17;  // enough for every double

/// True if the number is half-way between two doubles: its binary digits are one more than those of a double.
/// `text` is d.ddde+xx.
bool is_midpoint(std::string_view text) {
  constexpr std::uint64_t low = std::uint64_t{1} << 53U;
  constexpr std::uint64_t high = std::uint64_t{1} << 54U;
  const std::size_t mark = text.find('e');
  std::uint64_t odd = 0;
  int exponent = 0;
  for (const char digit : text.substr(0, mark)) {
    odd = digit == '.' ? odd : 10 * odd + static_cast<std::uint64_t>(digit - '0');
  }
  std::from_chars(text.data() + mark + 2, text.data() + text.size(), exponent);
  exponent -= std::max(static_cast<int>(mark) - 2, 0);  // of the last digit
  odd >>= static_cast<unsigned>(std::countr_zero(odd));
  for (; exponent > 0 && odd < high; --exponent) {
    odd *= 5;  // without the 2 of 10
  }
  return odd >= low && odd < high;
}

/// Writes a large number with the shortest digits that are nearer to it than to any other double. Those of
/// std::to_chars() may be half-way to the next, which parses back only if the reader rounds to even; the
/// server does not rely on that (src/common/d2s.c).
char* write_large(char* to, double value) {
  char* end = std::to_chars(to, to + kMaxFloatSize, value, std::chars_format::scientific).ptr;
  const auto text = [&] { return std::string_view(to, static_cast<std::size_t>(end - to)); };
  const auto is_exact = [&] {
    double parsed = 0;
    std::from_chars(to, end, parsed);
    return parsed == value && !is_midpoint(text());
  };
  for (int decimals = std::max(static_cast<int>(text().find('e')) - 2, 0);
       !is_exact() && decimals < kMaxDigits - 1;) {
    end = std::to_chars(to, to + kMaxFloatSize, value, std::chars_format::scientific, ++decimals).ptr;
  }
  return end;
}

}  // namespace

char* write_float_text(char* to, double value, int server_version) {
  if (!std::isfinite(value)) {
    const std::string_view name = std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
    return std::copy(name.begin(), name.end(), to);
  }
  if (server_version < kVersionWithShortestDigits) {
    return std::to_chars(to, to + kMaxFloatSize, value, std::chars_format::general, 18).ptr;
  }
  if (std::signbit(value)) {
    *to++ = '-';
    value = -value;
  }
  if (value == 0 || (value >= 1e-4 && value < 1e15)) {
    return std::to_chars(to, to + kMaxFloatSize, value, std::chars_format::fixed).ptr;
  }
  return value < 1 ? std::to_chars(to, to + kMaxFloatSize, value, std::chars_format::scientific).ptr
                   : write_large(to, value);
}

void output_float8(const ColumnContext& column, std::string_view value, Buffer& out) {
  require_size(column, value, sizeof(double));
  const auto number = std::bit_cast<double>(Cursor(value).u64());
  out.commit(write_float_text(out.reserve(kMaxFloatSize), number, column.server_version));
}

}  // namespace tap::value
