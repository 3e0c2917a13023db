// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <spdlog/fmt/fmt.h>

#include <tap/base/json.hpp>
#include <tap/pg/catalog/replica_identity.hpp>

#include "inheritance.hpp"

namespace tap::pg {

namespace {

// To be formatted with kInheritance and one of the conditions below. $1: a JSON list of [schema, table].
// Without its index, REPLICA IDENTITY USING INDEX has no columns; a deferrable primary key is not used as
// replica identity.
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
       c.relpersistence = 'p' AS is_logged, c.relreplident = 'f' AS is_full, {} AS refuses_full,
       EXISTS (SELECT 1
                 FROM pg_catalog.pg_index x
                WHERE x.indrelid = c.oid AND x.indisprimary AND x.indimmediate) AS has_primary_key,
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

// The table c and the partitioned tables above it.
constexpr const char* kWithAncestors =
    "(c.oid || ARRAY(SELECT relid FROM pg_catalog.pg_partition_ancestors(c.oid))::oid[])";

// True if a publication has a column list of one of kWithAncestors, with which it is to be formatted. The
// tables with a column list are few, and read once: with EXISTS, the server reads all members of publications
// for each table.
constexpr const char* kHasColumnList = R"sql(
       ({} && ARRAY(SELECT r.prrelid
                      FROM pg_catalog.pg_publication_rel r
                      JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid AND (p.pubupdate OR p.pubdelete)
                     WHERE r.prattrs IS NOT NULL))
)sql";

// True if a publication leaves out generated columns of the table. To be formatted with kWithAncestors.
constexpr const char* kLeavesOutColumns = R"sql(
       EXISTS (
         SELECT 1
           FROM pg_catalog.pg_attribute a
           JOIN pg_catalog.pg_publication p ON p.pubupdate OR p.pubdelete
          WHERE a.attrelid = c.oid AND NOT a.attisdropped
            AND (a.attgenerated = 'v' OR a.attgenerated = 's' AND p.pubgencols <> 's')
            AND (p.puballtables
                 OR EXISTS (SELECT 1
                              FROM pg_catalog.pg_class above
                              LEFT JOIN pg_catalog.pg_publication_rel r
                                     ON r.prpubid = p.oid AND r.prrelid = above.oid
                              LEFT JOIN pg_catalog.pg_publication_namespace s
                                     ON s.pnpubid = p.oid AND s.pnnspid = above.relnamespace
                             WHERE above.oid = ANY ({})
                               AND (r.oid IS NOT NULL OR s.oid IS NOT NULL))))
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

std::string refuses_full(ServerVersion version) {
  const std::string has_column_list =
      version.has_publication_filters() ? fmt::format(kHasColumnList, kWithAncestors) : "false";
  return version.publishes_generated_columns()
             ? fmt::format("({} OR {})", has_column_list, fmt::format(kLeavesOutColumns, kWithAncestors))
             : has_column_list;
}

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
  std::vector<std::vector<ReplicaIdentity>> trees(tables.size());
  const std::string sql = fmt::format(kTrees, kInheritance, refuses_full(connection.version()));
  for (const Row row : connection.query(sql, {to_text(names)})) {
    ReplicaIdentity& table = trees[row.index("position", trees.size())].emplace_back();
    table.name = {row.text("schema_name"), row.text("table_name")};
    table.is_partitioned = row.flag("is_partitioned");
    table.is_logged = row.flag("is_logged");
    table.has_primary_key = row.flag("has_primary_key");
    table.is_full = row.flag("is_full");
    table.refuses_full = row.flag("refuses_full");
    table.defers_keys = row.flag("defers_keys");
    table.identity = row.text_list("identity");
  }
  return trees;
}

std::vector<TableName> with_ancestors(Connection& connection, const TableName& table) {
  std::vector<TableName> names;
  for (const Row row : connection.query(fmt::format(kAncestors, kInheritance), {table.schema, table.table})) {
    names.push_back({row.text("schema_name"), row.text("table_name")});
  }
  return names;
}

}  // namespace tap::pg
