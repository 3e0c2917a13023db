// SPDX-License-Identifier: Apache-2.0
#include "stream_tables.hpp"

#include <set>
#include <unordered_map>
#include <utility>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <tap/pg/quote.hpp>

namespace tap::check {

namespace {

// Format it with a test for row-level security, or false. $1, $2, $3: schemas, tables and replication keys of
// the streams. Only a btree index provides an order.
constexpr const char* kTables = R"sql(
SELECT wanted.position AS position, c.oid AS oid, c.relkind AS kind, current_user AS role,
       pg_catalog.has_schema_privilege(n.oid, 'USAGE') AS may_use_schema,
       {} AS hides_rows,
       EXISTS (SELECT 1
                 FROM pg_catalog.pg_index i
                 JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
                 JOIN pg_catalog.pg_am m ON m.oid = x.relam
                 JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
                WHERE i.indrelid = c.oid AND i.indisvalid AND i.indpred IS NULL AND m.amname = 'btree'
                  AND a.attname = wanted.replication_key) AS is_key_indexed
  FROM (SELECT pg_catalog.unnest($1::text[]) AS schema_name, pg_catalog.unnest($2::text[]) AS table_name,
               pg_catalog.unnest($3::text[]) AS replication_key,
               pg_catalog.generate_series(1, pg_catalog.array_length($1::text[], 1)) AS position) wanted
  JOIN pg_catalog.pg_namespace n ON n.nspname = wanted.schema_name
  JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.table_name
 WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f')
)sql";

// $1: OIDs of the tables.
constexpr const char* kColumns = R"sql(
SELECT a.attrelid AS oid, a.attname AS name, a.atttypid AS type, a.atttypmod AS modifier,
       a.attnotnull AS not_null,
       pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'SELECT') AS is_readable
  FROM pg_catalog.pg_attribute a
 WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY a.attrelid, a.attnum
)sql";

/// Returns the types of the columns.
TypeRows read_columns(pg::Connection& connection, std::vector<StreamTable>& tables) {
  std::vector<Oid> oids;
  oids.reserve(tables.size());
  for (const StreamTable& table : tables) {
    oids.push_back(table.oid);
  }
  const pg::Result rows = connection.query(kColumns, {fmt::format("{{{}}}", fmt::join(oids, ","))});
  std::unordered_map<Oid, std::vector<std::size_t>> rows_of;
  std::set<Oid> types;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const pg::Row row = rows[i];
    rows_of[row.oid("oid")].push_back(i);
    types.insert(row.oid("type"));
  }
  for (StreamTable& table : tables) {
    for (const std::size_t i : rows_of[table.oid]) {
      const pg::Row row = rows[i];
      pg::TableColumn& column = table.columns.emplace_back();
      column.name = row.text("name");
      column.type = row.oid("type");
      column.modifier = static_cast<std::int32_t>(row.number("modifier"));
      column.not_null = row.flag("not_null");
      if (!row.flag("is_readable")) {
        table.unreadable.push_back(column.name);
      }
    }
  }
  TypeRows all = pg::types_of(connection, {types.begin(), types.end()});
  for (StreamTable& table : tables) {
    for (pg::TableColumn& column : table.columns) {
      column.type_name = display_name(all, column.type);
    }
  }
  return all;
}

}  // namespace

StreamTables read_tables(pg::Connection& connection, const std::vector<const sync::StreamPlan*>& streams) {
  std::vector<std::string> schemas;
  std::vector<std::string> names;
  std::vector<std::string> keys;
  std::vector<pg::TableName> logged_names;
  for (const sync::StreamPlan* plan : streams) {
    const singer::Stream& stream = plan->stream;
    schemas.push_back(stream.schema_name);
    names.push_back(stream.table);
    keys.push_back(stream.replication_key.value_or(""));
    logged_names.push_back({stream.schema_name, stream.table});
  }
  std::vector<StreamTable> tables(streams.size());
  const bool has_row_security = connection.version().has_row_security();
  const pg::Result rows = connection.query(
      fmt::format(kTables, has_row_security ? "pg_catalog.row_security_active(c.oid)" : "false"),
      {pg::array_text(schemas), pg::array_text(names), pg::array_text(keys)});
  for (const pg::Row row : rows) {
    StreamTable& table = tables[row.index("position", tables.size())];
    table.oid = row.oid("oid");
    table.kind = static_cast<pg::RelationKind>(row.character("kind"));
    table.role = pg::quote_identifier(row.view("role"));
    table.may_use_schema = row.flag("may_use_schema");
    table.hides_rows = row.flag("hides_rows");
    table.is_key_indexed = row.flag("is_key_indexed");
  }
  TypeRows types = read_columns(connection, tables);
  if (connection.version() >= pg::kOldestForLogBased) {
    const auto logged = pg::replica_identities(connection, logged_names);
    for (std::size_t i = 0; i < tables.size(); ++i) {
      tables[i].logged = logged[i];
    }
  }
  return {std::move(tables), std::move(types)};
}

}  // namespace tap::check
