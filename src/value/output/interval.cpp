// SPDX-License-Identifier: Apache-2.0
// interval with IntervalStyle postgres: EncodeInterval() of src/backend/utils/adt/datetime.c.
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <limits>

#include <tap/base/cursor.hpp>

#include "output_functions.hpp"
#include "value/column_context.hpp"
#include "value/encoders/time_of_day.hpp"

namespace tap::value {

namespace {

constexpr int kVersionWithInfinity = 170000;
constexpr std::size_t kMaxSize = 96;  // the longest has 66 characters

template <class Integer>
constexpr Integer kMin = std::numeric_limits<Integer>::min();
template <class Integer>
constexpr Integer kMax = std::numeric_limits<Integer>::max();

/// Writes the parts of an interval. A positive part has a plus sign if the part before it is negative.
class Writer {
 public:
  explicit Writer(char* to) : to_(to) {}

  /// Writes a number with its unit, unless it is zero.
  void write_count(std::int32_t count, std::string_view unit) {
    if (count == 0) {
      return;
    }
    start_part(count < 0);
    to_ = std::to_chars(to_, to_ + 11, count).ptr;
    *to_++ = ' ';
    to_ = std::copy(unit.begin(), unit.end(), to_);
    if (count != 1) {
      *to_++ = 's';
    }
  }

  /// Writes a time, unless it is zero and there are other parts.
  void write_time(std::int64_t micros) {
    if (micros == 0 && !is_empty_) {
      return;
    }
    start_part(micros < 0);
    if (micros < 0) {
      *to_++ = '-';
    }
    constexpr std::uint64_t micros_per_hour = 3600U * kMicrosPerSecond;
    const auto unsigned_micros = static_cast<std::uint64_t>(micros);
    const std::uint64_t size = micros < 0 ? 0 - unsigned_micros : unsigned_micros;
    const std::uint64_t hours = size / micros_per_hour;
    if (hours < 10) {
      *to_++ = '0';
    }
    to_ = std::to_chars(to_, to_ + 20, hours).ptr;
    const auto rest = static_cast<std::int64_t>(size % micros_per_hour);
    const auto seconds = static_cast<unsigned>(rest / kMicrosPerSecond);
    *to_++ = ':';
    to_ = write_2_digits(to_, seconds / 60);
    *to_++ = ':';
    to_ = write_short_fraction(write_2_digits(to_, seconds % 60), rest);
  }

  [[nodiscard]] char* end() const { return to_; }

 private:
  void start_part(bool is_negative) {
    if (!is_empty_) {
      *to_++ = ' ';
    }
    if (was_negative_ && !is_negative) {
      *to_++ = '+';
    }
    is_empty_ = false;
    was_negative_ = is_negative;
  }

  char* to_;
  bool is_empty_ = true;
  bool was_negative_ = false;
};

}  // namespace

void output_interval(const ColumnContext& column, std::string_view value, Buffer& out) {
  require_size(column, value, sizeof(std::int64_t) + 2 * sizeof(std::int32_t));
  Cursor from(value);
  const std::int64_t micros = from.i64();
  const std::int32_t days = from.i32();
  const std::int32_t months = from.i32();
  if (column.server_version >= kVersionWithInfinity) {
    if (micros == kMax<std::int64_t> && days == kMax<std::int32_t> && months == kMax<std::int32_t>) {
      return out.append("infinity");
    }
    if (micros == kMin<std::int64_t> && days == kMin<std::int32_t> && months == kMin<std::int32_t>) {
      return out.append("-infinity");
    }
  }
  Writer writer(out.reserve(kMaxSize));
  writer.write_count(months / 12, "year");
  writer.write_count(months % 12, "mon");
  writer.write_count(days, "day");
  writer.write_time(micros);
  out.commit(writer.end());
}

}  // namespace tap::value
