// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <tap/pg/catalog/replica_identity.hpp>
#include <tap/pg/catalog/tables.hpp>
#include <tap/pg/connection.hpp>
#include <tap/sync/plan.hpp>

namespace tap::check {

/// A stream's table as it is now.
struct StreamTable {
  Oid oid = 0;  ///< 0 if it is not there
  pg::RelationKind kind = pg::RelationKind::table;
  std::vector<pg::TableColumn> columns;
  std::vector<std::string> unreadable;
  std::vector<pg::ReplicaIdentity> logged;
  bool may_use_schema = false;
  bool hides_rows = false;
  bool is_key_indexed = false;
  std::string role;  ///< who asks, quoted
};

/// The tables of a database's streams, in their order, and what their columns are made of.
struct StreamTables {
  std::vector<StreamTable> tables;
  TypeRows types;
};

/// Asks a few queries, however many streams there are.
StreamTables read_tables(pg::Connection& connection, const std::vector<const sync::StreamPlan*>& streams);

}  // namespace tap::check
