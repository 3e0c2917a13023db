// SPDX-License-Identifier: Apache-2.0
#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <tap/pg/catalog/tables.hpp>
#include <tap/pg/quote.hpp>

#include "types.hpp"

namespace tap::pg {

namespace {

// $1: the schemas; an empty array means all.
constexpr const char* kColumns = R"sql(
SELECT n.nspname AS schema_name, c.relname AS table_name, c.relkind AS kind,
       greatest(c.reltuples, 0)::bigint AS row_count,
       a.attname AS column_name, a.atttypid AS type, a.atttypmod AS modifier,
       CASE WHEN a.attnum = ANY (k.conkey)
            THEN (SELECT at FROM pg_catalog.generate_subscripts(k.conkey, 1) at WHERE k.conkey[at] = a.attnum)
       END AS key_position
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
  LEFT JOIN pg_catalog.pg_constraint k ON k.conrelid = c.oid AND k.contype = 'p'
 WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f')
   AND c.relpersistence <> 't'
   AND n.nspname NOT IN ('pg_toast', 'pg_catalog', 'information_schema')
   AND ($1::text[] = '{}' OR n.nspname = ANY ($1::text[]))
   AND a.attnum > 0 AND NOT a.attisdropped
   AND pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT')
 ORDER BY n.nspname, c.relname, a.attnum
)sql";

constexpr const char* kDatabases = R"sql(
SELECT datname AS name
  FROM pg_catalog.pg_database
 WHERE NOT datistemplate AND datallowconn AND datname <> 'rdsadmin'
   AND ($1::text[] = '{}' OR datname = ANY ($1::text[]))
 ORDER BY datname
)sql";

}  // namespace

std::vector<std::string> databases(CatalogSession& session, const std::vector<std::string>& only) {
  std::vector<std::string> names;
  for (const Row row : session.query(kDatabases, {array_text(only)})) {
    names.push_back(row.text("name"));
  }
  return names;
}

std::vector<Table> tables(CatalogSession& session, const std::vector<std::string>& schemas,
                          const TypeRows& types) {
  std::vector<Table> tables;
  for (const Row row : session.query(kColumns, {array_text(schemas)})) {
    const auto schema = row.view("schema_name");
    const auto name = row.view("table_name");
    if (tables.empty() || tables.back().name != name || tables.back().schema != schema) {
      Table& table = tables.emplace_back();
      table.schema = schema;
      table.name = name;
      table.kind = static_cast<RelationKind>(row.character("kind"));
      table.row_count = row.number("row_count");
    }
    TableColumn& column = tables.back().columns.emplace_back();
    column.name = row.text("column_name");
    column.type = row.oid("type");
    column.modifier = static_cast<std::int32_t>(row.number("modifier"));
    column.type_name = display_name(types, column.type);
    column.key_position = static_cast<int>(row.number("key_position"));
  }
  return tables;
}

TypeRows column_types(CatalogSession& session) {
  return read_types(
      session.query(types_query("SELECT DISTINCT atttypid FROM pg_catalog.pg_attribute WHERE attnum > 0")));
}

TypeRows types_of(Connection& connection, const std::vector<Oid>& types) {
  return read_types(connection.query(
      types_query(fmt::format("SELECT pg_catalog.unnest('{{{}}}'::oid[])", fmt::join(types, ",")))));
}

}  // namespace tap::pg
