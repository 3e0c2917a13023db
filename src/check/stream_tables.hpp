// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <tap/pg/catalog/replica_identity.hpp>
#include <tap/pg/catalog/tables.hpp>
#include <tap/pg/connection.hpp>
#include <tap/sync/plan.hpp>

namespace tap::check {

/// The current state of a stream's table.
struct StreamTable {
  Oid oid = 0;  ///< 0 if the table does not exist
  pg::RelationKind kind = pg::RelationKind::table;
  std::vector<pg::TableColumn> columns;
  std::vector<std::string> unreadable;
  std::vector<pg::ReplicaIdentity> logged;
  bool may_use_schema = false;
  bool hides_rows = false;
  bool is_key_indexed = false;
  std::string role;  ///< the current role, quoted
};

/// The tables of a database's streams, in the order of the streams, and the types of their columns.
struct StreamTables {
  std::vector<StreamTable> tables;
  TypeRows types;
};

/// Reads all tables with a fixed number of queries.
StreamTables read_tables(pg::Connection& connection, const std::vector<const sync::StreamPlan*>& streams);

}  // namespace tap::check
