// SPDX-License-Identifier: Apache-2.0
#include "bookmark.hpp"

#include <algorithm>

#include <spdlog/fmt/fmt.h>

#include <tap/pg/quote.hpp>

namespace tap::sync {

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
  const TypeRow& row = types.at(oid);
  constexpr Oid first_of_users = 16384;  // FirstNormalObjectId
  return pg::quote_identifier(row.kind == 'b' && oid >= first_of_users ? row.schema : "pg_catalog");
}

std::string lookback_start(const TypeRows& types, Oid type, const std::string& bookmark, double lookback) {
  const std::string& name = types.at(base_type(types, type)).name;
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
  return fmt::format("({}::pg_catalog.{} OPERATOR(pg_catalog.-) pg_catalog.make_interval(secs => {}))",
                     bookmark, name == "date" ? "timestamp" : name,
                     std::min(lookback, seconds_of_1000_years));
}

}  // namespace tap::sync
