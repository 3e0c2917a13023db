// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <tap/pg/connection.hpp>
#include <tap/pgtypes/type_row.hpp>

namespace tap::sync {

/// What is known of the WAL of tables before they become partitions or child tables.
struct UnattachedTables {
  /// The publications that are read. Nothing for wal2json, which sends the changes of every table.
  std::optional<std::vector<std::string>> publications;
  /// The first transaction ID that was not assigned when the last run ended; nothing if it is unknown.
  std::optional<std::uint64_t> next_transaction_id;
};

/// A table that became a partition or child table after its creation, while rows in it are not read from WAL.
struct AttachedTable {
  std::string name;      ///< quoted and qualified
  bool has_unread_rows;  ///< it certainly has such rows; otherwise it may have some
};

/// Of `tables`, those that were attached to `root` after their creation, if they may have rows that are not
/// read from WAL. A table that was created as a partition has none. Throws what Connection::query() does.
std::vector<AttachedTable> find_attached_tables(pg::Connection& connection, const UnattachedTables& wal,
                                                Oid root, const std::vector<Oid>& tables);

/// Of `tables`, which were attached to `root` when the last run ended, the quoted and qualified names of
/// those that were detached in the meantime, if WAL does not have the changes that were made then. Throws
/// what Connection::query() does.
std::vector<std::string> find_reattached_tables(pg::Connection& connection, const UnattachedTables& wal,
                                                Oid root, const std::vector<Oid>& tables);

}  // namespace tap::sync
