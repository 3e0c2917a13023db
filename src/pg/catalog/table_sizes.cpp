// SPDX-License-Identifier: Apache-2.0
#include <spdlog/fmt/fmt.h>

#include <tap/pg/catalog/table_sizes.hpp>
#include <tap/pg/quote.hpp>

#include "inheritance.hpp"

namespace tap::pg {

namespace {

// To be formatted with kInheritance, twice. $1 schemas, $2 tables. The root of a table with several parents
// is the one with the lowest OID.
constexpr const char* kSizes = R"sql(
WITH RECURSIVE wanted AS (
  SELECT names.position, c.oid
    FROM (SELECT pg_catalog.unnest($1::name[]) AS schema_name, pg_catalog.unnest($2::name[]) AS table_name,
                 pg_catalog.generate_subscripts($1::name[], 1) AS position) names
    JOIN pg_catalog.pg_namespace n ON n.nspname = names.schema_name
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = names.table_name
), above(position, oid) AS (
  SELECT position, oid FROM wanted
  UNION
  SELECT above.position, i.inhparent FROM above JOIN {0} i ON i.inhrelid = above.oid
), below(position, oid) AS (
  SELECT position, oid FROM wanted
  UNION
  SELECT below.position, i.inhrelid FROM below JOIN {0} i ON i.inhparent = below.oid
), roots AS (
  SELECT above.position, min(above.oid) AS oid
    FROM above
   WHERE NOT EXISTS (SELECT 1 FROM {0} i WHERE i.inhrelid = above.oid)
   GROUP BY above.position
), sizes AS (
  SELECT below.position, sum(pg_catalog.pg_table_size(c.oid)) AS bytes
    FROM below
    JOIN pg_catalog.pg_class c ON c.oid = below.oid
   WHERE c.relkind IN ('r', 'm')
   GROUP BY below.position
)
SELECT roots.position AS position, n.nspname AS schema_name, c.relname AS table_name,
       coalesce(sizes.bytes, 0)::bigint AS bytes
  FROM roots
  JOIN pg_catalog.pg_class c ON c.oid = roots.oid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN sizes ON sizes.position = roots.position
)sql";

}  // namespace

std::vector<TableSize> table_sizes(Connection& connection, const std::vector<TableName>& tables) {
  std::vector<std::string> schemas;
  std::vector<std::string> names;
  std::vector<TableSize> sizes;
  for (const TableName& table : tables) {
    schemas.push_back(table.schema);
    names.push_back(table.table);
    sizes.push_back({quote_qualified(table.schema, table.table)});
  }
  const Result found =
      connection.query(fmt::format(kSizes, kInheritance), {array_text(schemas), array_text(names)});
  for (const Row row : found) {
    TableSize& size = sizes[row.index("position", sizes.size())];
    size.root = quote_qualified(row.view("schema_name"), row.view("table_name"));
    size.bytes = static_cast<std::uint64_t>(row.number("bytes"));
  }
  return sizes;
}

}  // namespace tap::pg
