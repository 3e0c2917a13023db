// SPDX-License-Identifier: Apache-2.0
#include "bookmark.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include <tap/base/clock.hpp>
#include <tap/pg/quote.hpp>

namespace tap::sync {

namespace {

constexpr const char* kPreviousVersion = "previous_version";  // of a bookmark that was reset

/// A number of the bookmark, 0 if it has none.
std::int64_t number_of(const Json& bookmark, const char* key) {
  const auto number = bookmark.find(key);
  return number != bookmark.end() && number->is_number_integer() ? number->get<std::int64_t>() : 0;
}

}  // namespace

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
  constexpr Oid first_of_users = 16384;  // FirstNormalObjectId
  // Arrays, ranges, enums and composite types of users have the operators of all such types.
  const bool has_own = row.kind == 'b' && !row.is_array && oid >= first_of_users;
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
  constexpr double seconds_of_1000_years = 1000 * 365.25 * 86400;  // more may lead to before the first date
  return fmt::format(
      "({}::pg_catalog.{} OPERATOR(pg_catalog.-) "
      "({}::pg_catalog.float8 OPERATOR(pg_catalog.*) '1 second'::pg_catalog.interval))",
      bookmark, name == "date" ? "timestamp" : name, std::min(lookback, seconds_of_1000_years));
}

}  // namespace tap::sync
