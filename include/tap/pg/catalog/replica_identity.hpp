// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <tap/pg/catalog/table_name.hpp>
#include <tap/pg/connection.hpp>

namespace tap::pg {

/// What WAL contains of a table's rows (manual: ALTER TABLE, REPLICA IDENTITY).
struct ReplicaIdentity {
  /// True if a DELETE in WAL has the values of all these columns.
  [[nodiscard]] bool identifies_by(const std::vector<std::string>& columns) const;

  TableName name;
  bool is_partitioned = false;        ///< has no rows of its own: WAL names its partitions
  bool is_logged = true;              ///< false for UNLOGGED
  std::vector<std::string> identity;  ///< the columns that a DELETE in WAL has
  bool has_primary_key = false;       ///< which REPLICA IDENTITY DEFAULT would use
  bool is_full = false;               ///< REPLICA IDENTITY FULL: `identity` is every column
  /// With REPLICA IDENTITY FULL the server would refuse UPDATE and DELETE, because a publication leaves out
  /// columns of the table: by a column list (15+), or generated ones (18+).
  bool refuses_full = false;
  bool defers_keys = false;  ///< two rows may have the same key within a transaction
};

/// Returns for each table the table itself, first, and all its partitions and child tables; nothing for a
/// missing table. Throws as Connection::query() does.
std::vector<std::vector<ReplicaIdentity>> replica_identities(Connection& connection,
                                                             const std::vector<TableName>& tables);

/// Returns the table and all its direct and indirect parents; nothing for a missing table. Throws as
/// Connection::query() does.
std::vector<TableName> with_ancestors(Connection& connection, const TableName& table);

}  // namespace tap::pg
