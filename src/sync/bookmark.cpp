// SPDX-License-Identifier: Apache-2.0
#include "bookmark.hpp"

#include <spdlog/fmt/fmt.h>

namespace tap::sync {

std::optional<std::string> bookmark_text(const Json& bookmark) {
  const auto value = bookmark.find("replication_key_value");
  if (value == bookmark.end() || value->is_null()) {
    return std::nullopt;
  }
  return value->is_string() ? value->get<std::string>() : to_text(*value);
}

std::string lookback_start(const TypeRows& types, Oid type, const std::string& bookmark, double lookback) {
  const TypeRow* row = &types.at(type);
  while (row->kind == 'd') {
    row = &types.at(row->base);
  }
  const std::string& name = row->name;
  if (name == "int2" || name == "int4" || name == "int8") {
    return fmt::format(
        "greatest({}::pg_catalog.numeric - pg_catalog.ceil({}), -9223372036854775808)::pg_catalog.int8",
        bookmark, lookback);
  }
  if (name == "numeric") {
    return fmt::format("{}::pg_catalog.numeric - {}", bookmark, lookback);
  }
  if (name == "float4" || name == "float8") {
    return fmt::format("{}::pg_catalog.{} - {}::pg_catalog.float8", bookmark, name, lookback);
  }
  const bool moment = name == "date" || name == "timestamp" || name == "timestamptz";
  return moment ? fmt::format("{}::pg_catalog.{} - pg_catalog.make_interval(secs => {})", bookmark,
                              name == "timestamptz" ? "timestamptz" : "timestamp", lookback)
                : "";
}

}  // namespace tap::sync
