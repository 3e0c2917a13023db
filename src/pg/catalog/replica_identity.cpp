// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <spdlog/fmt/fmt.h>

#include <tap/base/json.hpp>
#include <tap/pg/catalog/replica_identity.hpp>

#include "inheritance.hpp"

namespace tap::pg {

namespace {

// $1: a JSON list of [schema, table]. An index that is dropped partitions REPLICA IDENTITY USING INDEX
// without columns; a primary key that is deferrable identifies nothing. To be formatted with kInheritance.
constexpr const char* kTrees = R"sql(
WITH RECURSIVE tree(position, root, oid) AS (
  SELECT wanted.position, c.oid, c.oid
    FROM pg_catalog.json_array_elements($1::json) WITH ORDINALITY wanted(name, position)
    JOIN pg_catalog.pg_namespace n ON n.nspname = wanted.name ->> 0
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name ->> 1
   WHERE c.relkind IN ('r', 'p')
  UNION
  SELECT tree.position, tree.root, i.inhrelid
    FROM tree JOIN {} i ON i.inhparent = tree.oid
)
SELECT tree.position AS position,
       n.nspname AS schema_name, c.relname AS table_name, c.relkind = 'p' AS is_partitioned,
       c.relpersistence = 'p' AS is_logged, c.relreplident = 'f' AS is_full,
       EXISTS (SELECT 1
                 FROM pg_catalog.pg_index x
                WHERE x.indrelid = c.oid AND x.indisunique AND NOT x.indimmediate) AS defers_keys,
       pg_catalog.to_json(ARRAY(
         SELECT a.attname::text
           FROM pg_catalog.pg_attribute a
          WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            AND (c.relreplident = 'f' OR EXISTS (
                  SELECT 1
                    FROM pg_catalog.pg_index x
                   WHERE x.indrelid = c.oid AND a.attnum = ANY (x.indkey)
                     AND (c.relreplident = 'd' AND x.indisprimary AND x.indimmediate
                          OR c.relreplident = 'i' AND x.indisreplident)))
       )) AS identity
  FROM tree
  JOIN pg_catalog.pg_class c ON c.oid = tree.oid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 ORDER BY tree.position, (tree.oid = tree.root) DESC, schema_name, table_name
)sql";

// $1 schema, $2 table. To be formatted with kInheritance.
constexpr const char* kAncestors = R"sql(
WITH RECURSIVE tree(oid) AS (
  SELECT c.oid
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE n.nspname = $1 AND c.relname = $2
  UNION
  SELECT i.inhparent FROM tree JOIN {} i ON i.inhrelid = tree.oid
)
SELECT n.nspname AS schema_name, c.relname AS table_name
  FROM tree
  JOIN pg_catalog.pg_class c ON c.oid = tree.oid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
)sql";

}  // namespace

bool ReplicaIdentity::identifies_by(const std::vector<std::string>& columns) const {
  return std::ranges::all_of(columns, [&](const std::string& column) {
    return std::ranges::find(identity, column) != identity.end();
  });
}

std::vector<std::vector<ReplicaIdentity>> replica_identities(Connection& connection,
                                                             const std::vector<TableName>& tables) {
  Json names = Json::array();
  for (const TableName& table : tables) {
    names.push_back(Json::array({table.schema, table.table}));
  }
  const Result rows = connection.query(fmt::format(kTrees, kInheritance), {to_text(names)});
  const auto position = rows.column("position");
  const auto schema_name = rows.column("schema_name");
  const auto table_name = rows.column("table_name");
  const auto is_partitioned = rows.column("is_partitioned");
  const auto is_logged = rows.column("is_logged");
  const auto is_full = rows.column("is_full");
  const auto defers_keys = rows.column("defers_keys");
  const auto identity = rows.column("identity");
  std::vector<std::vector<ReplicaIdentity>> trees(tables.size());
  for (std::size_t row = 0; row < rows.size(); ++row) {
    ReplicaIdentity& logged = trees[rows.index(row, position, trees.size())].emplace_back();
    logged.name = {rows.text(row, schema_name), rows.text(row, table_name)};
    logged.is_partitioned = rows.flag(row, is_partitioned);
    logged.is_logged = rows.flag(row, is_logged);
    logged.is_full = rows.flag(row, is_full);
    logged.defers_keys = rows.flag(row, defers_keys);
    logged.identity = rows.text_list(row, identity);
  }
  return trees;
}

std::vector<TableName> with_ancestors(Connection& connection, const TableName& table) {
  const Result rows = connection.query(fmt::format(kAncestors, kInheritance), {table.schema, table.table});
  const auto schema_name = rows.column("schema_name");
  const auto table_name = rows.column("table_name");
  std::vector<TableName> names;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    names.push_back({rows.text(row, schema_name), rows.text(row, table_name)});
  }
  return names;
}

}  // namespace tap::pg
