// SPDX-License-Identifier: Apache-2.0
// time and timetz.
#include <tap/base/cursor.hpp>

#include "encode_functions.hpp"
#include "time_of_day.hpp"
#include "value/column_context.hpp"
#include "value/output/output_functions.hpp"

namespace tap::value {

namespace {

constexpr std::size_t kMaxTimeSize = 32;
constexpr std::int32_t kZoneLimit = 16 * 3600;  // TZDISP_LIMIT: offsets are less than 16 hours

std::int64_t read_time_of_day(const ColumnContext& column, std::string_view value, Cursor& from) {
  const std::int64_t micros = from.i64();
  if (micros < 0 || micros > kMicrosPerDay) {
    throw_invalid_value(column, value);
  }
  return micros;
}

struct ZonedTime {
  std::int64_t micros;
  std::int32_t seconds_west;  ///< of UTC
};

ZonedTime read_timetz(const ColumnContext& column, std::string_view value) {
  require_size(column, value, sizeof(std::int64_t) + sizeof(std::int32_t));
  Cursor from(value);
  const ZonedTime time = {read_time_of_day(column, value, from), from.i32()};
  if (time.seconds_west <= -kZoneLimit || time.seconds_west >= kZoneLimit) {
    throw_invalid_value(column, value);
  }
  return time;
}

/// Writes +HH:MM or -HH:MM, and :SS if there are seconds.
char* write_zone(char* to, std::int32_t seconds_west) {
  *to++ = seconds_west > 0 ? '-' : '+';
  const auto seconds = static_cast<unsigned>(seconds_west > 0 ? seconds_west : -seconds_west);
  to = write_2_digits(to, seconds / 3600);
  *to++ = ':';
  to = write_2_digits(to, seconds / 60 % 60);
  if (seconds % 60 != 0) {
    *to++ = ':';
    to = write_2_digits(to, seconds % 60);
  }
  return to;
}

bool is_zone(std::string_view text) {
  return (consume_pattern(text, "+00") || consume_pattern(text, "-00")) &&
         (text.empty() ||
          (consume_pattern(text, ":00") && (text.empty() || (consume_pattern(text, ":00") && text.empty()))));
}

}  // namespace

void output_time(const ColumnContext& column, std::string_view value, Buffer& out) {
  require_size(column, value, sizeof(std::int64_t));
  Cursor from(value);
  const std::int64_t micros = read_time_of_day(column, value, from);
  char* const to = out.reserve(kMaxTimeSize);
  out.commit(write_short_fraction(write_clock(to, micros), micros));
}

void encode_time_text(const ColumnContext& column, std::string_view value, Buffer& out) {
  std::string_view left = value;
  const bool has_clock = consume_pattern(left, "00:00:00");
  consume_fraction(left);
  if (!has_clock || !left.empty()) {
    throw_invalid_value(column, value);
  }
  append_json_string(out, value);
}

void encode_timetz_binary(const ColumnContext& column, std::string_view value, Buffer& out) {
  const auto [micros, seconds_west] = read_timetz(column, value);
  char* to = out.reserve(kMaxTimeSize);
  *to++ = '"';
  to = write_fraction(write_clock(to, micros), micros);
  to = write_zone(to, seconds_west);
  *to++ = '"';
  out.commit(to);
}

void output_timetz(const ColumnContext& column, std::string_view value, Buffer& out) {
  const auto [micros, seconds_west] = read_timetz(column, value);
  char* to = out.reserve(kMaxTimeSize);
  to = write_zone(write_short_fraction(write_clock(to, micros), micros), seconds_west);
  if (seconds_west % 3600 == 0) {
    to -= 3;  // +00: the server omits minutes that are zero
  }
  out.commit(to);
}

void encode_timetz_text(const ColumnContext& column, std::string_view value, Buffer& out) {
  constexpr std::string_view clock = "00:00:00";
  std::string_view zone = value;
  const bool has_clock = consume_pattern(zone, clock);
  const auto fraction = consume_fraction(zone);
  if (!has_clock || !is_zone(zone)) {
    throw_invalid_value(column, value);
  }
  char* to = out.reserve(kMaxTimeSize);
  *to++ = '"';
  to = std::copy_n(value.begin(), clock.size(), to);
  to = write_fraction(to, fraction);
  to = std::copy(zone.begin(), zone.end(), to);
  if (zone.size() == 3) {  // +00: the server omits minutes that are zero
    to = std::copy_n(":00", 3, to);
  }
  *to++ = '"';
  out.commit(to);
}

}  // namespace tap::value
