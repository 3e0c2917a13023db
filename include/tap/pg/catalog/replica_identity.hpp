// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <tap/pg/connection.hpp>

namespace tap::pg {

/// A table by its names.
struct TableName {
  std::string schema;
  std::string table;

  auto operator<=>(const TableName&) const = default;
};

/// What the log has of a table.
struct ReplicaIdentity {
  /// A delete comes with all of these columns.
  [[nodiscard]] bool identifies_by(const std::vector<std::string>& columns) const;

  TableName name;
  bool is_partitioned = false;        ///< it has no rows of its own: the log names its partitions
  bool is_logged = true;              ///< false for UNLOGGED
  std::vector<std::string> identity;  ///< columns of the replica identity: what comes with a delete
  bool is_full = false;               ///< REPLICA IDENTITY FULL: `identity` is every column
  bool defers_keys = false;           ///< within a transaction, two rows may have the same key
};

/// For each table: itself, which comes first, and all that inherit from it, partitions included. Empty if it
/// is not there.
std::vector<std::vector<ReplicaIdentity>> replica_identities(Connection& connection,
                                                             const std::vector<TableName>& tables);

/// The table and what it inherits from or is a partition of, at any remove. Empty if it is not there.
std::vector<TableName> with_ancestors(Connection& connection, const TableName& table);

}  // namespace tap::pg
