// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <spdlog/fmt/fmt.h>

#include <tap/pg/quote.hpp>
#include <tap/sync/validation.hpp>
#include <tap/value/type.hpp>

namespace tap::sync {

namespace {

/// Says that the catalog is out of date: records follow the table, the schema that is sent does not.
void warn_if_retyped(const singer::Stream& stream, const pg::TableColumn& column, const Warn& warn) {
  if (stream.is_retyped(column.name, column.type_name)) {
    warn({fmt::format("column {} is {} now, {} in the catalog", column.name, column.type_name,
                      stream.find_column(column.name)->sql_datatype),
          "run discovery again"});
  }
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
    } else {
      warn({fmt::format("column {} is no longer in the table; it is left out until discovery is run again",
                        name)});
    }
  }
  if (columns.empty()) {
    throw StreamError(
        Problem{"none of the selected columns is in the table any more", "run discovery again"});
  }
  return columns;
}

const pg::TableColumn& replication_key(const StreamPlan& plan, const std::vector<pg::TableColumn>& table,
                                       const TypeRows& types) {
  const auto key = std::ranges::find(table, *plan.stream.replication_key, &pg::TableColumn::name);
  if (key == table.end()) {
    throw StreamError(
        Problem{fmt::format("replication key {} is no longer in the table", *plan.stream.replication_key),
                "run discovery again and choose another replication-key"});
  }
  if (!value::is_scalar(value::resolve(types, key->type, key->modifier))) {
    throw StreamError(
        Problem{fmt::format("replication key {} is {}, which has no order that a bookmark can keep",
                            key->name, key->type_name),
                "choose another replication-key, or FULL_TABLE"});
  }
  return *key;
}

void require_logged(const std::vector<pg::ReplicaIdentity>& tables) {
  if (tables.empty()) {
    throw StreamError(Problem{"it is no longer a table whose changes are logged", "run discovery again"});
  }
}

void warn_of_gaps(const StreamPlan& plan, const std::vector<pg::ReplicaIdentity>& tables, const Warn& warn) {
  for (const pg::ReplicaIdentity& table : tables) {
    const std::string name = pg::quote_qualified(table.name.schema, table.name.table);
    const std::string log_all = fmt::format("ALTER TABLE {} REPLICA IDENTITY FULL", name);
    if (table.is_partitioned) {
      continue;
    }
    if (!table.is_logged) {
      warn({fmt::format("{} is UNLOGGED, none of its changes are in the log", name), "",
            fmt::format("ALTER TABLE {} SET LOGGED", name)});
    } else if (table.identity.empty()) {
      warn({fmt::format("updates and deletes of {} are not in the log, since it has no replica identity",
                        name),
            "", "give it a primary key, or " + log_all});
    } else if (!table.identifies_by(plan.stream.key_properties)) {
      warn({fmt::format("deletes of {} come without a column of the stream's key, and updates that change it "
                        "leave the old row, since it is not in the replica identity",
                        name),
            "", log_all});
    }
  }
}

}  // namespace tap::sync
