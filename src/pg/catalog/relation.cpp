// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <chrono>

#include <spdlog/fmt/fmt.h>

#include <tap/base/signals.hpp>
#include <tap/pg/catalog/relation.hpp>
#include <tap/pg/quote.hpp>
#include <tap/pg/session_settings.hpp>

#include "inheritance.hpp"
#include "types.hpp"

namespace tap::pg {

namespace {

// $1 schema, $2 table.
constexpr const char* kRelation = R"sql(
SELECT c.oid AS oid, c.relkind AS kind
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'v', 'm', 'p', 'f')
)sql";

// $1 the table's OID. To be formatted with one of the two below.
constexpr const char* kColumns = R"sql(
SELECT attname AS name, attnum AS number, atttypid AS type, atttypmod AS modifier, {}
  FROM pg_catalog.pg_attribute
 WHERE attrelid = $1::oid AND attnum > 0 AND NOT attisdropped
 ORDER BY attnum
)sql";

constexpr const char* kPlainColumns = "attnotnull AS not_null, false AS is_virtual";

// A constraint that is NOT VALID sets attnotnull as well.
constexpr const char* kColumnsSince18 = R"sql(
       attnotnull AND attnum NOT IN (SELECT pg_catalog.unnest(conkey)
                                       FROM pg_catalog.pg_constraint
                                      WHERE conrelid = $1::oid AND contype = 'n' AND NOT convalidated)
         AS not_null,
       attgenerated = 'v' AS is_virtual
)sql";

// To be formatted with kInheritance, and kNoRowSecurity or nothing. $1 the table's OID. Partitioned tables
// have no rows of their own, and a parent hides the temporary child tables of other sessions. A privilege on
// some columns does not cover ctid. A partition that is read by itself has its own row-level security, not
// its parent's. Only the heap access method (2; 0 before version 12) is known to keep rows in the order of
// their ctid.
constexpr const char* kPartitions = R"sql(
WITH RECURSIVE tree(oid) AS (
  SELECT $1::oid
  UNION
  SELECT i.inhrelid FROM tree JOIN {} i ON i.inhparent = tree.oid
)
SELECT c.oid AS oid, n.nspname AS schema_name, c.relname AS table_name,
       c.relkind IN ('r', 'm') AND c.relam IN (0, 2) AND pg_catalog.has_table_privilege(c.oid, 'SELECT') AS has_ctid,
       pg_catalog.pg_relation_filenode(c.oid) AS relfilenode,
       greatest(c.reltuples, 0)::bigint AS rows,
       c.oid = $1::oid OR (pg_catalog.has_schema_privilege(n.oid, 'USAGE')
                           AND pg_catalog.has_table_privilege(c.oid, 'SELECT'){}) AS by_itself
  FROM tree
  JOIN pg_catalog.pg_class c ON c.oid = tree.oid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind <> 'p' AND c.relpersistence <> 't'
 ORDER BY c.oid
)sql";

constexpr const char* kNoRowSecurity = R"sql(
                           AND NOT pg_catalog.row_security_active($1::oid)
                           AND NOT pg_catalog.row_security_active(c.oid))sql";

// $1: the OIDs of the table and its partitions. Locks and pg_relation_filenode() are current, pg_class is as
// of the snapshot: the locked relations must be the ones in the snapshot, with the same files. relfilenode is
// 0 for mapped catalogs. Before version 12 relations without a file, like views, have a relfilenode, too.
constexpr const char* kChanged = R"sql(
WITH locked AS (
  SELECT l.relation AS oid
    FROM pg_catalog.pg_locks l
    JOIN pg_catalog.pg_database d ON d.oid = l.database
   WHERE l.pid = pg_catalog.pg_backend_pid() AND l.locktype = 'relation'
     AND d.datname = pg_catalog.current_database()
)
SELECT 1
  FROM locked LEFT JOIN pg_catalog.pg_class c ON c.oid = locked.oid
 WHERE c.oid IS NULL
    OR (c.relkind IN ('r', 'm', 'i', 't') AND c.relfilenode <> 0
        AND c.relfilenode IS DISTINCT FROM pg_catalog.pg_relation_filenode(c.oid))
UNION ALL
SELECT 1
  FROM pg_catalog.unnest($1::oid[]) known(oid)
 WHERE known.oid NOT IN (SELECT oid FROM locked)
)sql";

}  // namespace

void refuse_missing_table(const Connection& connection, const std::string& schema, const std::string& table) {
  throw StreamError(Problem{fmt::format("table {} is not in the database ({})",
                                        quote_qualified(schema, table), connection.description()),
                            "run discovery again, or remove the stream from the catalog"});
}

Relation find_relation(Connection& connection, const std::string& schema, const std::string& table) {
  const Result found = connection.query(kRelation, {schema, table});
  if (found.size() == 0) {
    refuse_missing_table(connection, schema, table);
  }
  Relation relation;
  relation.oid = found.first().oid("oid");
  relation.kind = static_cast<RelationKind>(found.first().character("kind"));
  const std::string oid = fmt::to_string(relation.oid);

  const Result columns = connection.query(
      fmt::format(kColumns, connection.version().has_virtual_columns() ? kColumnsSince18 : kPlainColumns),
      {oid});
  for (const Row row : columns) {
    TableColumn& column = relation.columns.emplace_back();
    column.name = row.text("name");
    column.number = static_cast<int>(row.number("number"));
    column.type = row.oid("type");
    column.modifier = static_cast<std::int32_t>(row.number("modifier"));
    column.not_null = row.flag("not_null");
    column.is_virtual = row.flag("is_virtual");
  }
  relation.types = read_types(connection.query(types_query(
      fmt::format("SELECT atttypid FROM pg_catalog.pg_attribute WHERE attrelid = {} AND attnum > 0", oid))));

  for (TableColumn& column : relation.columns) {
    column.type_name = display_name(relation.types, column.type);
  }

  const Result partitions = connection.query(
      fmt::format(kPartitions, kInheritance, connection.version().has_row_security() ? kNoRowSecurity : ""),
      {oid});
  for (const Row row : partitions) {
    Partition& partition = relation.partitions.emplace_back();
    partition.oid = row.oid("oid");
    partition.name = quote_qualified(row.view("schema_name"), row.view("table_name"));
    partition.has_ctid = row.flag("has_ctid");
    partition.relfilenode = row.oid("relfilenode");
    relation.rows += static_cast<std::uint64_t>(row.number("rows"));
    relation.reads_each_partition = row.flag("by_itself") && relation.reads_each_partition;
  }
  return relation;
}

namespace {

/// Locks everything that a query for these columns reads. Returns false if that differs from `relation`,
/// which is of the transaction's snapshot: a table that was created or rewritten later looks empty to the
/// snapshot.
bool lock_unchanged(Connection& connection, const Relation& relation, const std::string& name,
                    const std::vector<std::string>& columns) {
  std::string list;
  std::vector<Oid> types;
  for (const TableColumn& column : relation.columns) {
    if (std::ranges::find(columns, column.name) != columns.end()) {
      list += (list.empty() ? "" : ", ") + quote_identifier(column.name);
      types.push_back(base_type(relation.types, column.type));  // a query reports only these
    }
  }
  if (connection.column_types(fmt::format("SELECT {} FROM {} LIMIT 0", list, name)) != types) {
    return false;
  }
  std::string oids = fmt::to_string(relation.oid);
  for (const Partition& partition : relation.partitions) {
    oids += fmt::format(",{}", partition.oid);
  }
  return connection.query(kChanged, {"{" + oids + "}"}).size() == 0;
}

constexpr int kImmediateAttempts = 5;
constexpr std::chrono::seconds kTimeout{60};

/// undefined_table, undefined_column, invalid_schema_name (manual: PostgreSQL Error Codes).
bool is_missing_name(const ServerError& error) {
  constexpr std::array codes = {"42P01", "42703", "3F000"};
  return std::ranges::find(codes, error.sqlstate()) != codes.end();
}

std::chrono::milliseconds wait_before_attempt(int attempt) {
  using std::chrono::milliseconds;
  constexpr milliseconds first{10};
  constexpr milliseconds longest{500};
  constexpr int most_doublings = 6;
  return attempt < kImmediateAttempts
             ? milliseconds(0)
             : std::min(longest, first * (1 << std::min(attempt - kImmediateAttempts, most_doublings)));
}

}  // namespace

Relation open_relation(Connection& connection, const std::string& schema, const std::string& table,
                       const std::vector<std::string>& columns,
                       const std::function<std::string()>& snapshot) {
  const std::string name = quote_qualified(schema, table);
  const auto deadline = std::chrono::steady_clock::now() + kTimeout;
  // An attempt may wait long for a lock, so a few are always made.
  for (int i = 0; i <= kImmediateAttempts || std::chrono::steady_clock::now() < deadline; ++i) {
    const std::string exported = snapshot ? snapshot() : "";
    const std::string import =
        exported.empty() ? "" : fmt::format("SET TRANSACTION SNAPSHOT {}; ", quote_literal(exported));
    connection.pin_settings(true, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; " + import);
    Relation relation = find_relation(connection, schema, table);
    try {
      if (lock_unchanged(connection, relation, name, columns)) {
        return relation;
      }
    } catch (const ServerError& error) {
      // A name in the snapshot was dropped or renamed since, unless a view itself is broken.
      if (!is_missing_name(error) || i >= kImmediateAttempts) {
        throw;
      }
    }
    connection.execute("ROLLBACK");
    signals::sleep_for(wait_before_attempt(i + 1));
  }
  throw StreamError(fmt::format(
      "table {} kept changing while it was being opened (for {} s or more); run again once the schema change "
      "has finished",
      name, kTimeout.count()));
}

}  // namespace tap::pg
