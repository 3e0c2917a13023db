// SPDX-License-Identifier: Apache-2.0
#include "bookmark.hpp"

#include <algorithm>
#include <climits>
#include <limits>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include <tap/base/clock.hpp>
#include <tap/pg/quote.hpp>

namespace tap::sync {

namespace {

constexpr const char* kPreviousVersion = "previous_version";  // in a bookmark that was reset

/// The integer with this key, 0 if there is none.
std::int64_t number_of(const Json& bookmark, const char* key) {
  const auto number = bookmark.find(key);
  return number != bookmark.end() && number->is_number_integer() ? number->get<std::int64_t>() : 0;
}

/// For an IEEE 754 number, in network byte order, with so many bits of fraction.
template <class Bits, unsigned fraction_bits>
bool is_infinite_float(std::string_view key) {
  constexpr Bits sign = Bits{1} << (sizeof(Bits) * CHAR_BIT - 1);
  constexpr Bits exponent = (sign - 1) & ~((Bits{1} << fraction_bits) - 1);
  Bits bits = 0;
  for (const char byte : key) {
    bits = (bits << CHAR_BIT) | static_cast<unsigned char>(byte);
  }
  const bool is_special = (bits & exponent) == exponent;
  return key.size() == sizeof(Bits) && is_special && bits != (sign | exponent);  // -infinity
}

/// Bytes 4 and 5 of a numeric are its sign: 0xC000 is NaN, 0xD000 infinity, 0xF000 -infinity.
bool is_infinite_numeric(std::string_view key) {
  constexpr std::size_t sign = 4;
  return key.size() > sign && (key[sign] == '\xc0' || key[sign] == '\xd0');
}

/// Dates and timestamps are integers, of which the largest is infinity.
bool is_infinite_date_time(std::string_view key) {
  return !key.empty() && key.front() == '\x7f' &&
         std::ranges::all_of(key.substr(1), [](char byte) { return byte == '\xff'; });
}

}  // namespace

IsInfinite infinity_test(const TypeRows& types, Oid type) {
  constexpr unsigned fraction_of_float4 = 23;
  constexpr unsigned fraction_of_float8 = 52;
  const std::string& name = types.at(base_type(types, type)).name;
  if (name == "float4") {
    return is_infinite_float<std::uint32_t, fraction_of_float4>;
  }
  if (name == "float8") {
    return is_infinite_float<std::uint64_t, fraction_of_float8>;
  }
  if (name == "numeric") {
    return is_infinite_numeric;
  }
  return name == "date" || name == "timestamp" || name == "timestamptz" ? is_infinite_date_time : nullptr;
}

bool is_infinite_text(std::string_view bookmark) {
  return bookmark == "infinity" || bookmark == "Infinity" || bookmark == "NaN";
}

std::int64_t next_version(std::int64_t previous) {
  constexpr auto last = std::numeric_limits<std::int64_t>::max();
  return std::max(epoch_milliseconds(), previous < last ? previous + 1 : last);
}

void renew_version(Json& bookmark) {
  bookmark["version"] =
      next_version(std::max(number_of(bookmark, "version"), number_of(bookmark, kPreviousVersion)));
  bookmark.erase(kPreviousVersion);
}

std::int64_t sequence_of(const Json& bookmark) {
  return number_of(bookmark, "sequence");
}

void reset_bookmark(Json& bookmark) {
  const std::int64_t version =
      std::max(number_of(bookmark, "version"), number_of(bookmark, kPreviousVersion));
  const std::int64_t sequence = sequence_of(bookmark);
  bookmark = Json::object();
  for (const auto& [key, number] : {std::pair(kPreviousVersion, version), std::pair("sequence", sequence)}) {
    if (number > 0) {
      bookmark[key] = number;
    }
  }
}

bool BookmarkProgress::has_advanced(const Json& now) {
  const Json before = std::exchange(last_, now);
  return before != now && version_of(before) == version_of(now);
}

std::optional<std::int64_t> version_of(const Json& bookmark) {
  const auto version = bookmark.find("version");
  return version == bookmark.end() || version->is_null() ? std::nullopt
                                                         : std::optional(version->get<std::int64_t>());
}

std::optional<std::string> bookmark_text(const Json& bookmark) {
  const auto value = bookmark.find("replication_key_value");
  if (value == bookmark.end() || value->is_null()) {
    return std::nullopt;
  }
  return value->is_string() ? value->get<std::string>() : to_text(*value);
}

std::string operator_schema(const TypeRows& types, Oid type) {
  const Oid oid = base_type(types, type);
  const TypeRow& row = type_row(types, oid);
  // User-defined arrays, ranges, enums and composite types share the operators in pg_catalog.
  const bool has_own = row.kind == 'b' && !row.is_array && oid >= oids::kFirstNormalObjectId;
  return pg::quote_identifier(has_own ? row.schema : "pg_catalog");
}

std::string lookback_start(const TypeRows& types, Oid type, const std::string& bookmark, double lookback) {
  const std::string& name = type_row(types, base_type(types, type)).name;
  if (name == "int2" || name == "int4" || name == "int8") {
    return fmt::format(
        "greatest({}::pg_catalog.numeric OPERATOR(pg_catalog.-) pg_catalog.ceil({}::pg_catalog.numeric), "
        "-9223372036854775808)::pg_catalog.int8",
        bookmark, lookback);
  }
  if (name == "numeric") {
    return fmt::format("({}::pg_catalog.numeric OPERATOR(pg_catalog.-) {})", bookmark, lookback);
  }
  if (name == "float4" || name == "float8") {
    return fmt::format("({}::pg_catalog.{} OPERATOR(pg_catalog.-) {}::pg_catalog.float8)", bookmark, name,
                       lookback);
  }
  if (name != "date" && name != "timestamp" && name != "timestamptz") {
    return "";
  }
  constexpr double seconds_of_1000_years = 1000 * 365.25 * 86400;  // more could be before the first date
  return fmt::format(
      "({}::pg_catalog.{} OPERATOR(pg_catalog.-) "
      "({}::pg_catalog.float8 OPERATOR(pg_catalog.*) '1 second'::pg_catalog.interval))",
      bookmark, name == "date" ? "timestamp" : name, std::min(lookback, seconds_of_1000_years));
}

}  // namespace tap::sync
