// SPDX-License-Identifier: Apache-2.0
// date, timestamp and timestamptz. The session's time zone is UTC.
#include <chrono>
#include <cstdint>
#include <limits>

#include <spdlog/fmt/fmt.h>

#include <tap/base/cursor.hpp>
#include <tap/base/error.hpp>
#include <tap/base/log.hpp>

#include "encode_functions.hpp"
#include "time_of_day.hpp"
#include "value/column_context.hpp"
#include "value/output/output_functions.hpp"

namespace tap::value {

namespace {

using std::chrono::sys_days;
using std::chrono::year;

// The binary formats count days or microseconds from here. The smallest and largest integer are the
// infinities.
constexpr sys_days kEpoch = year{2000} / 1 / 1;
// Most JSON readers accept only the years 1 to 9999.
constexpr std::int64_t kFirstDay = (sys_days(year{1} / 1 / 1) - kEpoch).count();
constexpr std::int64_t kLastDay = (sys_days(year{9999} / 12 / 31) - kEpoch).count();

/// The JSON of values before the year 1 and after 9999, if they are clamped.
struct Limits {
  std::string_view earliest;
  std::string_view latest;
};
constexpr Limits kTimestampLimits = {R"("0001-01-01T00:00:00+00:00")", R"("9999-12-31T23:59:59.999+00:00")"};
constexpr Limits kDateLimits = {R"("0001-01-01T00:00:00+00:00")", R"("9999-12-31T00:00:00+00:00")"};
constexpr Limits kPlainDateLimits = {R"("0001-01-01")", R"("9999-12-31")"};
constexpr std::string_view kMidnight = R"(T00:00:00+00:00")";
constexpr std::string_view kOffset = R"(+00:00")";
constexpr std::string_view kServerOffset = "+00";
constexpr std::size_t kMaxSize = 40;

/// What follows YYYY-MM-DD in the JSON of a date.
std::string_view end_of_date(const ColumnContext& column) {
  return column.options.plain_dates ? std::string_view("\"") : kMidnight;
}

const Limits& date_limits(const ColumnContext& column) {
  return column.options.plain_dates ? kPlainDateLimits : kDateLimits;
}

bool is_in_range(std::int64_t day) {
  return day >= kFirstDay && day <= kLastDay;
}

/// A day since kEpoch and the microseconds since its midnight.
struct Timestamp {
  std::int64_t day;
  std::int64_t micros;
};

Timestamp split_microseconds(std::int64_t micros_since_epoch) {
  Timestamp timestamp = {micros_since_epoch / kMicrosPerDay, micros_since_epoch % kMicrosPerDay};
  if (timestamp.micros < 0) {
    timestamp.micros += kMicrosPerDay;
    --timestamp.day;
  }
  return timestamp;
}

/// Writes YYYY-MM-DD of a day in range.
char* write_date(char* to, std::int64_t day) {
  const std::chrono::year_month_day date(kEpoch + std::chrono::days(day));
  to = write_4_digits(to, static_cast<unsigned>(static_cast<int>(date.year())));
  *to++ = '-';
  to = write_2_digits(to, static_cast<unsigned>(date.month()));
  *to++ = '-';
  return write_2_digits(to, static_cast<unsigned>(date.day()));
}

/// Writes any day as the server does, without the " BC" of a year before 1.
char* write_server_date(char* to, std::int64_t day) {
  if (is_in_range(day)) {
    return write_date(to, day);
  }
  // std::chrono ends in the year 32767, PostgreSQL in 5874897. The calendar repeats every 400 years.
  constexpr std::int64_t cycle_days = 146'097;
  const std::int64_t cycles = day / cycle_days;
  const std::chrono::year_month_day date(kEpoch + std::chrono::days(day % cycle_days));
  const std::int64_t full_year = static_cast<int>(date.year()) + 400 * cycles;
  return fmt::format_to(to, "{:04}-{:02}-{:02}", full_year <= 0 ? 1 - full_year : full_year,
                        static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}

char* write_era(char* to, std::int64_t day) {
  return day < kFirstDay ? std::copy_n(" BC", 3, to) : to;
}

template <class Integer>
bool is_infinity(Integer value) {
  return value == std::numeric_limits<Integer>::min() || value == std::numeric_limits<Integer>::max();
}

/// Appends the server's text of a timestamp. `zone` is the offset that the server writes, or nothing.
void append_timestamp(std::int64_t since_epoch, std::string_view zone, Buffer& out) {
  if (is_infinity(since_epoch)) {
    return out.append(since_epoch > 0 ? "infinity" : "-infinity");
  }
  const auto [day, micros] = split_microseconds(since_epoch);
  char* to = write_server_date(out.reserve(kMaxSize), day);
  *to++ = ' ';
  to = write_short_fraction(write_clock(to, micros), micros);
  to = std::copy(zone.begin(), zone.end(), to);
  out.commit(write_era(to, day));
}

/// Appends the server's text of a date.
void append_date(std::int32_t day, Buffer& out) {
  if (is_infinity(day)) {
    return out.append(day > 0 ? "infinity" : "-infinity");
  }
  char* const to = write_server_date(out.reserve(kMaxSize), day);
  out.commit(write_era(to, day));
}

/// Writes a date before the year 1 or after 9999 as out_of_range_dates says. `text` is the server's text of
/// it.
void write_out_of_range(const ColumnContext& column, std::string_view text, const Limits& limits,
                        Buffer& out) {
  const bool early = text.starts_with('-') || text.ends_with("BC");
  std::string_view instead = early ? limits.earliest : limits.latest;
  switch (column.options.out_of_range_dates) {
    case EncodingOptions::OutOfRange::string:
      return append_json_string(out, text);
    case EncodingOptions::OutOfRange::error:
      throw StreamError(
          fmt::format("{}: {} is outside the years 1 to 9999; set `out_of_range_dates` to `clamp`, `null` "
                      "or `string` to send such rows",
                      column.name, text));
    case EncodingOptions::OutOfRange::null:
      instead = "null";
      break;
    case EncodingOptions::OutOfRange::clamp:
      break;
  }
  if (!column.warned->test_and_set()) {
    log::warn(
        "{}: {} is outside the years 1 to 9999 and is written as {}; other such values of this column are "
        "changed without a warning (see `out_of_range_dates`)",
        column.name, text, instead);
  }
  out.append(instead);
}

void write_timestamp(const ColumnContext& column, std::string_view value, std::string_view zone,
                     Buffer& out) {
  require_size(column, value, sizeof(std::int64_t));
  const std::int64_t since_epoch = Cursor(value).i64();
  const auto [day, micros] = split_microseconds(since_epoch);
  if (!is_in_range(day)) {
    column.scratch.clear();
    append_timestamp(since_epoch, zone, column.scratch);
    return write_out_of_range(column, column.scratch.view(), kTimestampLimits, out);
  }
  char* to = out.reserve(kMaxSize);
  *to++ = '"';
  to = write_date(to, day);
  *to++ = 'T';
  to = write_fraction(write_clock(to, micros), micros);
  out.commit(std::copy(kOffset.begin(), kOffset.end(), to));
}

/// The variable parts of a date or timestamp in text format.
struct ParsedText {
  bool in_range;
  std::string_view fraction;  ///< with its decimal point
};

/// Checks that `value` is YYYY-MM-DD, `clock` (" 00:00:00" or nothing), a fraction, `zone` and maybe " BC".
ParsedText parse_text(const ColumnContext& column, std::string_view value, std::string_view clock,
                      std::string_view zone) {
  constexpr std::size_t min_year_digits = 4;
  std::string_view left = value;
  while (!left.empty() && is_digit(left[0])) {
    left.remove_prefix(1);
  }
  const std::size_t year_size = value.size() - left.size();
  bool fits = year_size >= min_year_digits && consume_pattern(left, "-00-00") && consume_pattern(left, clock);
  const auto fraction = clock.empty() ? "" : consume_fraction(left);
  fits = fits && left.starts_with(zone);
  left.remove_prefix(fits ? zone.size() : 0);
  if (!fits || (!left.empty() && left != " BC")) {
    throw_invalid_value(column, value);
  }
  return {left.empty() && year_size == min_year_digits, fraction};
}

bool is_infinity(std::string_view value) {
  return value == "infinity" || value == "-infinity";
}

void write_timestamp_text(const ColumnContext& column, std::string_view value, std::string_view zone,
                          Buffer& out) {
  if (is_infinity(value)) {
    return write_out_of_range(column, value, kTimestampLimits, out);
  }
  const ParsedText parsed = parse_text(column, value, " 00:00:00", zone);
  if (!parsed.in_range) {
    return write_out_of_range(column, value, kTimestampLimits, out);
  }
  char* to = out.reserve(kMaxSize);
  *to++ = '"';
  to = std::copy_n(value.begin(), 10, to);
  *to++ = 'T';
  to = std::copy_n(value.begin() + 11, 8, to);
  to = write_fraction(to, parsed.fraction);
  out.commit(std::copy(kOffset.begin(), kOffset.end(), to));
}

}  // namespace

void encode_date_binary(const ColumnContext& column, std::string_view value, Buffer& out) {
  require_size(column, value, sizeof(std::int32_t));
  const std::int32_t day = Cursor(value).i32();
  if (!is_in_range(day)) {
    column.scratch.clear();
    append_date(day, column.scratch);
    return write_out_of_range(column, column.scratch.view(), date_limits(column), out);
  }
  char* to = out.reserve(kMaxSize);
  *to++ = '"';
  to = write_date(to, day);
  const std::string_view end = end_of_date(column);
  out.commit(std::copy(end.begin(), end.end(), to));
}

void output_date(const ColumnContext& column, std::string_view value, Buffer& out) {
  require_size(column, value, sizeof(std::int32_t));
  append_date(Cursor(value).i32(), out);
}

void encode_date_text(const ColumnContext& column, std::string_view value, Buffer& out) {
  if (is_infinity(value) || !parse_text(column, value, "", "").in_range) {
    return write_out_of_range(column, value, date_limits(column), out);
  }
  out.push('"');
  out.append(value);
  out.append(end_of_date(column));
}

void encode_timestamp_binary(const ColumnContext& column, std::string_view value, Buffer& out) {
  write_timestamp(column, value, "", out);
}

void output_timestamp(const ColumnContext& column, std::string_view value, Buffer& out) {
  require_size(column, value, sizeof(std::int64_t));
  append_timestamp(Cursor(value).i64(), "", out);
}

void encode_timestamp_text(const ColumnContext& column, std::string_view value, Buffer& out) {
  write_timestamp_text(column, value, "", out);
}

void encode_timestamptz_binary(const ColumnContext& column, std::string_view value, Buffer& out) {
  write_timestamp(column, value, kServerOffset, out);
}

void output_timestamptz(const ColumnContext& column, std::string_view value, Buffer& out) {
  require_size(column, value, sizeof(std::int64_t));
  append_timestamp(Cursor(value).i64(), kServerOffset, out);
}

void encode_timestamptz_text(const ColumnContext& column, std::string_view value, Buffer& out) {
  write_timestamp_text(column, value, kServerOffset, out);
}

}  // namespace tap::value
