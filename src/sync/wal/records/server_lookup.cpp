// SPDX-License-Identifier: Apache-2.0
#include "server_lookup.hpp"

#include <algorithm>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <tap/pg/catalog/slots.hpp>
#include <tap/pg/quote.hpp>

#include "recorded_partitions.hpp"
#include "sync/bookmark.hpp"

namespace tap::sync {

namespace {

// $1 transaction IDs. A transaction releases the lock on its own ID after it has become visible.
constexpr const char* kNotVisible = R"sql(
SELECT 1
  FROM pg_catalog.pg_locks
 WHERE locktype = 'transactionid' AND mode = 'ExclusiveLock' AND granted
   AND transactionid::text = ANY ($1::text[])
 LIMIT 1
)sql";

const pg::TableColumn* find_column(const pg::Relation& relation, std::string_view name) {
  const auto column = std::ranges::find(relation.columns, name, &pg::TableColumn::name);
  return column == relation.columns.end() ? nullptr : &*column;
}

/// The cast that a key's literal needs; mostly empty. Without it the server takes the literal for a record of
/// any type, which has no text form, or for the OID of an object instead of its name.
std::string literal_cast(const TypeRows& types, Oid type) {
  const TypeRow& row = type_row(types, base_type(types, type));
  const bool is_needed = row.kind == 'c' || (row.schema == "pg_catalog" && row.name.starts_with("reg"));
  return is_needed ? "::" + pg::quote_qualified(row.schema, row.name) : "";
}

std::string key_condition(const pg::Relation& relation, const RowKey& key) {
  std::string condition;
  for (const auto& [name, value] : key) {
    const pg::TableColumn* const column = find_column(relation, name);
    condition += fmt::format(
        "{}{} OPERATOR({}.=) {}{}", condition.empty() ? "" : " AND ", pg::quote_identifier(name),
        column != nullptr ? operator_schema(relation.types, column->type) : "pg_catalog",
        pg::quote_literal(value), column != nullptr ? literal_cast(relation.types, column->type) : "");
  }
  return condition;
}

/// SQL for the size of a row's values that does not read them: the uncompressed size where the server knows
/// it, else the stored size.
std::string size_of_values(const RowsByKey& rows) {
  std::string size;
  for (const std::string_view name : rows.columns) {
    const pg::TableColumn* const column = find_column(rows.relation, name);
    const bool has_octet_length =
        column != nullptr && (column->type_name == "text" || column->type_name == "bytea");
    size += fmt::format("{}coalesce(pg_catalog.{}({}), 0)::pg_catalog.int8",
                        size.empty() ? "" : " OPERATOR(pg_catalog.+) ",
                        has_octet_length ? "octet_length" : "pg_column_size", pg::quote_identifier(name));
  }
  return size;
}

}  // namespace

std::optional<pg::Relation> ServerLookup::find_relation(const pg::TableName& table) {
  try {
    return pg::in_one_snapshot(connection_, [&] { return pg::find_relation(connection_, table); });
  } catch (const StreamError&) {
    return std::nullopt;
  }
}

std::vector<pg::ReplicaIdentity> ServerLookup::with_partitions(const pg::TableName& table) {
  return pg::replica_identities(connection_, {table}).front();
}

std::vector<pg::TableName> ServerLookup::with_ancestors(const pg::TableName& table) {
  return pg::with_ancestors(connection_, table);
}

FetchedRows ServerLookup::read_rows(const RowsByKey& rows) {
  const std::string table = pg::quote_qualified(rows.table.schema, rows.table.table);
  const std::string is_too_large =
      fmt::format("({}) OPERATOR(pg_catalog.>) {}", size_of_values(rows), rows.max_bytes);
  std::string columns;
  for (const std::string_view column : rows.columns) {
    columns +=
        fmt::format(", CASE WHEN {} THEN NULL ELSE {} END", is_too_large, pg::quote_identifier(column));
  }
  const std::string filter = rows.where.empty() ? "" : " AND " + rows.where;
  std::string query;
  for (std::size_t i = 0; i < rows.keys.size(); ++i) {
    query += fmt::format("{}(SELECT {} AS key_number, {} AS is_too_large{} FROM {} WHERE {}{} LIMIT 1)",
                         i == 0 ? "" : " UNION ALL ", i + 1, is_too_large, columns, table,
                         key_condition(rows.relation, *rows.keys[i]), filter);
  }
  return {connection_.read_table(query), rows.keys.size()};
}

TxidSnapshot ServerLookup::txid_snapshot() {
  const pg::Result answer = connection_.query("SELECT pg_catalog.txid_current_snapshot() AS snapshot");
  return TxidSnapshot(answer.first().view("snapshot"));
}

Lsn ServerLookup::wal_end() {
  return pg::current_wal_lsn(connection_);
}

bool ServerLookup::are_visible(const std::vector<std::string>& xids) {
  return connection_.query(kNotVisible, {fmt::format("{{{}}}", fmt::join(xids, ","))}).is_empty();
}

std::vector<std::optional<WalTable>> find_wal_tables(pg::Connection& connection,
                                                     const std::vector<pg::TableName>& names) {
  return pg::in_one_snapshot(connection, [&] {
    auto relations = pg::find_relations(connection, names);
    auto identities = pg::replica_identities(connection, names);
    std::vector<std::optional<WalTable>> tables(names.size());
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (relations[i]) {
        tables[i] = {.relation = *std::move(relations[i]), .tables = std::move(identities[i])};
      }
    }
    return tables;
  });
}

}  // namespace tap::sync
