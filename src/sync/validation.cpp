// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <tap/base/text.hpp>
#include <tap/pg/quote.hpp>
#include <tap/sync/validation.hpp>
#include <tap/value/type.hpp>

namespace tap::sync {

namespace {

/// The catalog is out of date: records follow the table, but SCHEMA follows the catalog.
void warn_if_retyped(const singer::Stream& stream, const pg::TableColumn& column, const Warn& warn) {
  if (stream.is_retyped(column.name, column.type_name)) {
    warn({fmt::format("column {} is {} now, but {} in the catalog", column.name, column.type_name,
                      stream.find_column(column.name)->sql_datatype),
          "run discovery again"});
  }
}

/// What gives the table a replica identity without making the server refuse UPDATE and DELETE.
std::string replica_identity_advice(const pg::ReplicaIdentity& table, const std::string& name,
                                    const std::string& identity_full) {
  if (table.refuses_full) {
    return "give it a primary key";
  }
  return table.has_primary_key ? fmt::format("ALTER TABLE {} REPLICA IDENTITY DEFAULT", name)
                               : "give it a primary key, or " + identity_full;
}

}  // namespace

std::vector<const pg::TableColumn*> synced_columns(const StreamPlan& plan,
                                                   const std::vector<pg::TableColumn>& table,
                                                   const Warn& warn) {
  std::vector<const pg::TableColumn*> columns;
  for (const std::string& name : plan.columns) {
    const auto column = std::ranges::find(table, name, &pg::TableColumn::name);
    if (column != table.end()) {
      warn_if_retyped(plan.stream, *column, warn);
      columns.push_back(&*column);
    } else if (plan.stream.is_key(name)) {
      throw StreamError(
          Problem{fmt::format("key column {} is no longer in the table", name), "run discovery again"});
    } else if (has_replacement_character(name)) {
      warn({fmt::format("column {} is not in the table and is left out", name),
            "if its name is not UTF-8 in the database, rename it, then run discovery again"});
    } else {
      warn({fmt::format("column {} is no longer in the table; it is left out until discovery is run again",
                        name)});
    }
  }
  if (plan.adds_new_columns) {
    for (const pg::TableColumn& column : table) {
      if (plan.stream.find_column(column.name) == nullptr && column.is_readable && is_utf8(column.name)) {
        columns.push_back(&column);
      }
    }
    std::ranges::sort(columns, {}, &pg::TableColumn::name);
  }
  if (columns.empty()) {
    throw StreamError(
        Problem{"none of the selected columns is in the table any more", "run discovery again"});
  }
  return columns;
}

const pg::TableColumn& replication_key_column(const StreamPlan& plan,
                                              const std::vector<pg::TableColumn>& table,
                                              const TypeRows& types) {
  const auto key = std::ranges::find(table, *plan.stream.replication_key, &pg::TableColumn::name);
  if (key == table.end()) {
    throw StreamError(
        Problem{fmt::format("replication key {} is no longer in the table", *plan.stream.replication_key),
                "run discovery again and choose another replication-key"});
  }
  if (!value::is_scalar(value::resolve(types, key->type, key->modifier))) {
    throw StreamError(Problem{
        fmt::format("replication key {} is {}, a type that cannot be a bookmark", key->name, key->type_name),
        "choose another replication-key, or FULL_TABLE"});
  }
  return *key;
}

void require_changes_in_wal(const std::vector<pg::ReplicaIdentity>& tables) {
  if (tables.empty()) {
    throw StreamError(Problem{"it is no longer a table whose changes are in WAL", "run discovery again"});
  }
}

void warn_of_missing_changes(const StreamPlan& plan, const std::vector<pg::ReplicaIdentity>& tables,
                             const std::set<pg::TableName>& without_updates, const Warn& warn) {
  // Changes made before are not in WAL, and would stay missing.
  const std::string then = ", then run once with --full-refresh " + plan.stream.id;
  for (const pg::ReplicaIdentity& table : tables) {
    const std::string name = pg::quote_qualified(table.name.schema, table.name.table);
    const std::string identity_full = fmt::format("ALTER TABLE {} REPLICA IDENTITY FULL", name);
    if (table.is_partitioned || without_updates.contains(table.name)) {
      continue;
    }
    if (!table.is_logged) {
      warn({fmt::format("{} is UNLOGGED, so that none of its changes are in WAL", name), "",
            fmt::format("ALTER TABLE {} SET LOGGED{}", name, then)});
    } else if (table.identity.empty()) {
      warn({fmt::format("updates and deletes of {} are not in WAL, because it has no replica identity", name),
            "", replica_identity_advice(table, name, identity_full) + then});
    } else if (!table.identifies_by(plan.stream.key_properties)) {
      warn(
          {fmt::format(
               "deletes of {} lack a key column of the stream, and updates that change it leave the old "
               "row, because it is not in the replica identity",
               name),
           table.refuses_full ? "set the stream's table-key-properties to its replica identity" : "",
           (table.refuses_full ? fmt::format("{}", fmt::join(table.identity, ", ")) : identity_full) + then});
    }
  }
}

}  // namespace tap::sync
