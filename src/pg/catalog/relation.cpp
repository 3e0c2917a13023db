// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <unordered_map>

#include <spdlog/fmt/fmt.h>

#include <tap/base/text.hpp>
#include <tap/pg/catalog/relation.hpp>
#include <tap/pg/quote.hpp>

#include "inheritance.hpp"
#include "types.hpp"

namespace tap::pg {

namespace {

// $1 schemas, $2 tables.
constexpr const char* kRelations = R"sql(
SELECT wanted.position AS position, c.oid AS oid, c.relkind AS kind
  FROM (SELECT pg_catalog.unnest($1::name[]) AS schema_name, pg_catalog.unnest($2::name[]) AS table_name,
               pg_catalog.generate_subscripts($1::name[], 1) AS position) wanted
  JOIN pg_catalog.pg_namespace n ON n.nspname = wanted.schema_name
  JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.table_name
 WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f')
)sql";

// $1 OIDs of tables. To be formatted with one of the two below.
constexpr const char* kColumns = R"sql(
SELECT attrelid AS oid, attname AS name, attnum AS number, atttypid AS type, atttypmod AS modifier,
       attcollation AS collation,
       pg_catalog.has_column_privilege(attrelid, attnum, 'SELECT') AS is_readable, {}
  FROM pg_catalog.pg_attribute
 WHERE attrelid = ANY ($1::oid[]) AND attnum > 0 AND NOT attisdropped
 ORDER BY attrelid, attnum
)sql";

constexpr const char* kPlainColumns = "attnotnull AS not_null, false AS is_virtual";

// A constraint that is NOT VALID sets attnotnull as well.
constexpr const char* kColumnsSince18 = R"sql(
       attnotnull AND attnum NOT IN (SELECT pg_catalog.unnest(conkey)
                                       FROM pg_catalog.pg_constraint
                                      WHERE conrelid = attrelid AND contype = 'n' AND NOT convalidated)
         AS not_null,
       attgenerated = 'v' AS is_virtual
)sql";

// To be formatted with kInheritance, kNoRowSecurity or nothing, a test for row-level security, and
// kVirtualColumns or NULL. $1 OIDs of tables. Partitioned tables have no rows of their own, and a parent
// hides the temporary child tables of other sessions. A privilege on some columns does not cover ctid. A
// partition that is read by itself has its own row-level security, not its parent's. Only the heap access
// method (2; 0 before version 12) is known to keep rows in the order of their ctid.
constexpr const char* kPartitions = R"sql(
WITH RECURSIVE tree(root, oid) AS (
  SELECT wanted.oid, wanted.oid FROM pg_catalog.unnest($1::oid[]) wanted(oid)
  UNION
  SELECT tree.root, i.inhrelid FROM tree JOIN {} i ON i.inhparent = tree.oid
)
SELECT tree.root AS root, c.oid AS oid, n.nspname AS schema_name, c.relname AS table_name,
       c.relkind IN ('r', 'm') AND c.relam IN (0, 2) AND pg_catalog.has_table_privilege(c.oid, 'SELECT') AS has_ctid,
       CASE WHEN c.relkind IN ('r', 'm') AND c.relfilenode <> 0 THEN c.relfilenode
            ELSE pg_catalog.pg_relation_filenode(c.oid) END AS relfilenode,
       greatest(c.reltuples, 0)::bigint AS rows,
       c.oid = tree.root OR (pg_catalog.has_schema_privilege(n.oid, 'USAGE')
                             AND pg_catalog.has_table_privilege(c.oid, 'SELECT'){}) AS by_itself,
       {} AS has_row_security, {} AS virtual_columns
  FROM tree
  JOIN pg_catalog.pg_class c ON c.oid = tree.oid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind <> 'p' AND c.relpersistence <> 't'
 ORDER BY tree.root, c.oid
)sql";

constexpr const char* kNoRowSecurity = R"sql(
                             AND NOT pg_catalog.row_security_active(tree.root)
                             AND NOT pg_catalog.row_security_active(c.oid))sql";

constexpr const char* kVirtualColumns = R"sql(
       (SELECT pg_catalog.string_agg(a.attname || ' ' || pg_catalog.pg_get_expr(d.adbin, d.adrelid), ',' ORDER BY a.attnum)
          FROM pg_catalog.pg_attribute a
          JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
         WHERE a.attrelid = c.oid AND a.attgenerated = 'v')
)sql";

}  // namespace

namespace {

constexpr const char* kNameIsNotUtf8 =
    "if its name is not UTF-8 in the database, rename it, then run discovery again";

}  // namespace

void refuse_missing_table(const Connection& connection, const TableName& table) {
  throw StreamError(Problem{fmt::format("table {} is not in the database ({})",
                                        quote_qualified(table.schema, table.table), connection.description()),
                            has_replacement_character(table.schema) || has_replacement_character(table.table)
                                ? kNameIsNotUtf8
                                : "run discovery again, or remove the stream from the catalog"});
}

namespace {

using Relations = std::unordered_map<Oid, Relation>;

/// Copies a type of `all`, with its base type, element type and subtype.
void add_type(const TypeRows& all, Oid type, TypeRows& types) {
  const auto found = all.find(type);
  if (found != all.end() && types.insert(*found).second) {
    for (const Oid part : {found->second.base, found->second.element, found->second.subtype}) {
      add_type(all, part, types);
    }
  }
}

Relation& relation_of(Relations& relations, Oid oid) {
  const auto found = relations.find(oid);
  if (found == relations.end()) {
    throw MalformedAnswer(fmt::format("the server's catalog is malformed: OID {} was not asked for", oid));
  }
  return found->second;
}

void read_columns(Connection& connection, const std::string& oids, Relations& relations) {
  const bool since_18 = connection.version().has_virtual_columns();
  for (const Row row :
       connection.query(fmt::format(kColumns, since_18 ? kColumnsSince18 : kPlainColumns), {oids})) {
    TableColumn& column = relation_of(relations, row.oid("oid")).columns.emplace_back();
    column.name = row.text("name");
    column.number = static_cast<int>(row.number("number"));
    column.type = row.oid("type");
    column.collation = row.oid("collation");
    column.modifier = static_cast<std::int32_t>(row.number("modifier"));
    column.is_readable = row.flag("is_readable");
    column.not_null = row.flag("not_null");
    column.is_virtual = row.flag("is_virtual");
  }
  const TypeRows types =
      read_types(connection.query(types_query("SELECT DISTINCT atttypid FROM pg_catalog.pg_attribute "
                                              "WHERE attrelid = ANY ($1::oid[]) AND attnum > 0",
                                              true),
                                  {oids}));
  for (auto& [oid, relation] : relations) {
    for (TableColumn& column : relation.columns) {
      column.type_name = display_name(types, column.type);
      add_type(types, column.type, relation.types);
    }
  }
}

void read_partitions(Connection& connection, const std::string& oids, Relations& relations) {
  const bool has_row_security = connection.version().has_row_security();
  for (const Row row :
       connection.query(fmt::format(kPartitions, kInheritance, has_row_security ? kNoRowSecurity : "",
                                    has_row_security ? "pg_catalog.row_security_active(c.oid)" : "false",
                                    connection.version().has_virtual_columns() ? kVirtualColumns : "NULL"),
                        {oids})) {
    Relation& relation = relation_of(relations, row.oid("root"));
    Partition& partition = relation.partitions.emplace_back();
    partition.oid = row.oid("oid");
    partition.name = quote_qualified(row.view("schema_name"), row.view("table_name"));
    partition.has_ctid = row.flag("has_ctid");
    partition.relfilenode = row.oid("relfilenode");
    partition.virtual_columns = row.text("virtual_columns");
    relation.rows += static_cast<std::uint64_t>(row.number("rows"));
    relation.reads_each_partition = row.flag("by_itself") && relation.reads_each_partition;
    relation.has_row_security = row.flag("has_row_security") || relation.has_row_security;
  }
}

}  // namespace

std::vector<std::optional<Relation>> find_relations(Connection& connection,
                                                    const std::vector<TableName>& tables) {
  std::vector<std::string> schemas;
  std::vector<std::string> names;
  for (const TableName& table : tables) {
    schemas.push_back(table.schema);
    names.push_back(table.table);
  }
  std::vector<Oid> oids(tables.size());
  Relations relations;
  for (const Row row : connection.query(kRelations, {array_text(schemas), array_text(names)})) {
    Oid& oid = oids[row.index("position", oids.size())];
    oid = row.oid("oid");
    Relation& relation = relations[oid];
    relation.oid = oid;
    relation.kind = static_cast<RelationKind>(row.character("kind"));
  }
  std::vector<std::optional<Relation>> found(tables.size());
  if (relations.empty()) {
    return found;
  }
  std::string list = "{";
  for (const auto& [oid, relation] : relations) {
    list += fmt::format("{}{}", list.size() == 1 ? "" : ",", oid);
  }
  list += "}";
  read_columns(connection, list, relations);
  read_partitions(connection, list, relations);
  for (std::size_t i = 0; i < oids.size(); ++i) {
    if (const auto relation = relations.find(oids[i]); relation != relations.end()) {
      found[i] = relation->second;
    }
  }
  return found;
}

Relation find_relation(Connection& connection, const TableName& table) {
  auto found = find_relations(connection, {table});
  if (!found.front()) {
    refuse_missing_table(connection, table);
  }
  return *std::move(found.front());
}

namespace {

// To be formatted with the OIDs of a table and its partitions. Locks and pg_relation_filenode() are current,
// pg_class is as of the snapshot: the locked relations must be the ones in the snapshot, with the same files.
// relfilenode is 0 for mapped catalogs. Before version 12 relations without a file, like views, have a
// relfilenode, too.
constexpr const char* kChanged = R"sql(
WITH locked AS (
  SELECT l.relation AS oid
    FROM pg_catalog.pg_locks l
    JOIN pg_catalog.pg_database d ON d.oid = l.database
   WHERE l.pid = pg_catalog.pg_backend_pid() AND l.locktype = 'relation'
     AND d.datname = pg_catalog.current_database()
), known AS (
  SELECT known.oid FROM pg_catalog.unnest('{{{}}}'::oid[]) known(oid)
), answer AS (
  -- A subquery instead of a join, for which the planner would read all of pg_class.
  SELECT EXISTS (SELECT 1
                   FROM locked
                  WHERE (SELECT c.relkind NOT IN ('r', 'm', 'i', 't') OR c.relfilenode = 0
                                OR NOT c.relfilenode IS DISTINCT FROM pg_catalog.pg_relation_filenode(c.oid)
                           FROM pg_catalog.pg_class c
                          WHERE c.oid = locked.oid) IS NOT TRUE)
         OR EXISTS (SELECT 1 FROM known WHERE known.oid NOT IN (SELECT oid FROM locked)) AS is_changed
)
SELECT file.oid AS oid, is_changed,
       CASE WHEN NOT is_changed AND file.has_file
            THEN pg_catalog.pg_relation_size(file.oid) / pg_catalog.current_setting('block_size')::bigint
       END AS blocks,
       CASE WHEN NOT is_changed AND file.has_file THEN pg_catalog.pg_table_size(file.oid) END AS bytes
  FROM answer
 CROSS JOIN (SELECT known.oid, (SELECT c.relkind IN ('r', 'm')
                                  FROM pg_catalog.pg_class c
                                 WHERE c.oid = known.oid) AS has_file
               FROM known) file
)sql";

// The same for one table without partitions: to be formatted with its OID and its relfilenode. The result of
// a query for its columns tells whether the locked table has this OID.
constexpr const char* kFileChanged = R"sql(
SELECT {0} AS oid, pg_catalog.pg_relation_filenode({0}) IS DISTINCT FROM {1}::oid AS is_changed,
       pg_catalog.pg_relation_size({0}) / pg_catalog.current_setting('block_size')::bigint AS blocks,
       pg_catalog.pg_table_size({0}) AS bytes
)sql";

/// A query for its columns reads nothing else, and the result of the query has its OID.
bool is_one_table(const Relation& relation) {
  const bool has_file =
      relation.kind == RelationKind::table || relation.kind == RelationKind::materialized_view;
  return has_file && relation.partitions.size() == 1 && !relation.has_row_security;
}

std::string query_for_changed_file(const Relation& relation) {
  return fmt::format(kFileChanged, relation.oid, relation.partitions.front().relfilenode);
}

std::string query_for_changes(const Relation& relation) {
  std::string oids = fmt::to_string(relation.oid);
  for (const Partition& partition : relation.partitions) {
    oids += partition.oid == relation.oid ? "" : fmt::format(",{}", partition.oid);
  }
  return fmt::format(kChanged, oids);
}

}  // namespace

bool lock_relation(Connection& connection, Relation& relation, const std::string& from,
                   const std::vector<std::string>& columns, bool waits, const std::string& condition) {
  std::string list;
  std::vector<Connection::ResultColumn> expected;
  for (const TableColumn& column : relation.columns) {
    if (std::ranges::find(columns, column.name) != columns.end()) {
      list += (list.empty() ? "" : ", ") + quote_identifier(column.name);
      // A query reports a domain's base type.
      expected.push_back({base_type(relation.types, column.type), relation.oid, column.number});
    }
  }
  const std::string where = condition.empty() ? "" : " WHERE " + condition;
  const bool has_oid = is_one_table(relation) && !list.empty() && where.empty();
  const auto [found, files] =
      connection.lock_and_query(fmt::format("SELECT {} FROM {}{} LIMIT 0", list, from, where), waits,
                                has_oid ? query_for_changed_file(relation) : query_for_changes(relation));
  const bool is_same = std::ranges::equal(found, expected, [&](const auto& column, const auto& known) {
    const bool has_number = column.table == known.table;
    return column.type == known.type && (has_number ? column.number == known.number : !has_oid);
  });
  if (!is_same || files.first().flag("is_changed")) {
    return false;
  }
  for (const Row file : files) {
    const auto partition = std::ranges::find(relation.partitions, file.oid("oid"), &Partition::oid);
    if (partition != relation.partitions.end()) {
      partition->blocks = static_cast<std::uint64_t>(file.number("blocks"));
      partition->bytes = static_cast<std::uint64_t>(file.number("bytes"));
    }
  }
  return true;
}

std::uint64_t total_bytes(const Relation& relation) {
  std::uint64_t bytes = 0;
  for (const Partition& partition : relation.partitions) {
    bytes += partition.bytes;
  }
  return bytes;
}

bool is_missing_name(const ServerError& error) {
  constexpr std::array codes = {"42P01", "42703", "3F000"};
  return std::ranges::find(codes, error.sqlstate()) != codes.end();
}

}  // namespace tap::pg
