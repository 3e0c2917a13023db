// SPDX-License-Identifier: Apache-2.0
#include <optional>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <tap/pg/catalog/tables.hpp>
#include <tap/pg/quote.hpp>

#include "types.hpp"

namespace tap::pg {

namespace {

// $1: the schemas; an empty array means all. The tables are sorted, and the columns of each are read by an
// index: the first rows arrive long before the last ones are read, while sorting the columns takes memory.
constexpr const char* kColumns = R"sql(
SELECT t.schema_name AS schema_name, t.table_name AS table_name, t.kind AS kind, t.row_count AS row_count,
       a.attname AS column_name, a.atttypid AS type, a.atttypmod AS modifier,
       CASE WHEN a.attnum = ANY (t.key)
            THEN (SELECT at FROM pg_catalog.generate_subscripts(t.key, 1) at WHERE t.key[at] = a.attnum)
       END AS key_position
  FROM (SELECT c.oid AS oid, n.nspname AS schema_name, c.relname AS table_name, c.relkind AS kind,
               greatest(c.reltuples, 0)::bigint AS row_count, k.conkey AS key
          FROM pg_catalog.pg_class c
          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          LEFT JOIN pg_catalog.pg_constraint k ON k.conrelid = c.oid AND k.contype = 'p'
         WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f')
           AND c.relpersistence <> 't'
           AND n.nspname NOT IN ('pg_toast', 'pg_catalog', 'information_schema')
           AND ($1::text[] = '{}' OR n.nspname = ANY ($1::text[]))
         ORDER BY n.nspname, c.relname) t
 CROSS JOIN LATERAL (SELECT attname, atttypid, atttypmod, attnum
                       FROM pg_catalog.pg_attribute
                      WHERE attrelid = t.oid AND attnum > 0 AND NOT attisdropped
                        AND pg_catalog.has_column_privilege(t.oid, attnum, 'SELECT')
                      ORDER BY attnum) a
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

void for_each_table(CatalogSession& session, const std::vector<std::string>& schemas, const TypeRows& types,
                    const std::function<void(const Table&)>& read) {
  std::optional<Table> table;
  const auto finish = [&] {
    if (table) {
      read(*table);
    }
  };
  session.query_in_parts(kColumns, {array_text(schemas)}, [&](const Result& rows) {
    for (const Row row : rows) {
      const auto schema = row.view("schema_name");
      const auto name = row.view("table_name");
      if (!table || table->name != name || table->schema != schema) {
        finish();
        table.emplace();
        table->schema = schema;
        table->name = name;
        table->kind = static_cast<RelationKind>(row.character("kind"));
        table->row_count = row.number("row_count");
      }
      TableColumn& column = table->columns.emplace_back();
      column.name = row.text("column_name");
      column.type = row.oid("type");
      column.modifier = static_cast<std::int32_t>(row.number("modifier"));
      column.type_name = display_name(types, column.type);
      column.key_position = static_cast<int>(row.number("key_position"));
    }
  });
  finish();
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
