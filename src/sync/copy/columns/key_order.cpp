// SPDX-License-Identifier: Apache-2.0
#include "key_order.hpp"

#include <algorithm>
#include <array>

#include <spdlog/fmt/fmt.h>

#include "definitions.hpp"

namespace tap::sync {

namespace {

constexpr const char* kNumber = "number";

/// A query for the locale and version of the collation $1. The one of the database has the OID 100.
std::string collation_query(pg::ServerVersion version) {
  const auto since = [&](int number) { return version >= pg::ServerVersion(number); };
  // The locale of ICU and of the built-in provider; that of libc is in another column.
  const char* const column = since(170000) ? "locale" : "iculocale";
  const auto locale = [&](const char* catalog) {
    return since(150000) ? fmt::format("coalesce({0}{1}, {0}collate)", catalog, column)
                         : fmt::format("{}collate", catalog);
  };
  return fmt::format(
      "SELECT {} AS locale, {} AS version FROM pg_catalog.pg_collation WHERE oid = $1::oid AND oid <> 100 "
      "UNION ALL SELECT {}, {} FROM pg_catalog.pg_database "
      "WHERE datname = pg_catalog.current_database() AND $1::oid = 100",
      locale("coll"), since(100000) ? "pg_catalog.pg_collation_actual_version(oid)" : "NULL", locale("dat"),
      since(150000) ? "pg_catalog.pg_database_collation_actual_version(oid)" : "NULL");
}

/// The order that the bookmark's value was compared in; empty if it is not known.
std::string order_of(const Json& bookmark, const Json& value) {
  if (is_number(value)) {
    return kNumber;
  }
  const auto order = bookmark.find(kKeyOrder);
  return order != bookmark.end() && order->is_string() ? order->get<std::string>() : "";
}

/// True if `now` only adds to an earlier order: the labels of an enum, or a label at their end.
bool is_extended(std::string_view order, std::string_view now) {
  return now.starts_with(order) && now.size() > order.size() &&
         (now[order.size()] == '/' || now[order.size()] == ',');
}

/// The text up to the version of a library.
std::string_view without_version(std::string_view order) {
  return order.substr(0, order.find('/', std::min(order.find('/'), order.size() - 1) + 1));
}

}  // namespace

std::string key_order(pg::Connection& connection, const pg::Relation& relation, const pg::TableColumn& key) {
  constexpr std::array numbers = {"int2", "int4", "int8", "numeric", "float4", "float8"};
  const TypeRow& type = type_row(relation.types, base_type(relation.types, key.type));
  if (std::ranges::find(numbers, type.name) != numbers.end()) {
    return kNumber;
  }
  if (type.name == "date" || type.name == "timestamp") {
    return "timestamp without time zone";
  }
  const TypeRow* const parts = type_with_parts(relation.types, key.type);
  if (parts != nullptr && parts->kind == 'e') {
    return fmt::format("{}/{}", type.display_name, parts->parts);
  }
  if (key.collation == 0) {
    return type.display_name;
  }
  std::string order = type.name == "varchar" ? "text" : type.display_name;
  for (const pg::Row row :
       connection.query(collation_query(connection.version()), {fmt::to_string(key.collation)})) {
    order += fmt::format("/{}", row.text("locale"));
    if (!row.is_null("version")) {
      order += fmt::format("/{}", row.text("version"));
    }
  }
  return order;
}

std::string changed_order(const Json& bookmark, std::string_view now) {
  const auto value = bookmark.find("replication_key_value");
  if (value == bookmark.end()) {
    return "";
  }
  const std::string order = order_of(bookmark, *value);
  if (order.empty() || is_extended(order, now)) {
    return "";
  }
  const bool has_versions = without_version(order) != order && without_version(now) != now;
  return (has_versions ? order == now : without_version(order) == without_version(now)) ? "" : order;
}

}  // namespace tap::sync
