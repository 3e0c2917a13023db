// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include <tap/base/error.hpp>
#include <tap/pg/catalog/replica_identity.hpp>
#include <tap/pg/catalog/tables.hpp>
#include <tap/sync/plan.hpp>

namespace tap::sync {

// Checks of a stream against its current table, for a run and for `tap-postgres check`.

/// Receives findings that do not stop the stream.
using Warn = std::function<void(const Problem&)>;

/// The synced columns that the table has, in the order of a record. Throws StreamError if a key column
/// is missing, or all columns are. The result points into `table`.
std::vector<const pg::TableColumn*> synced_columns(const StreamPlan& plan,
                                                   const std::vector<pg::TableColumn>& table,
                                                   const Warn& warn);

/// The column of an incremental stream's replication key, in `table`. Throws StreamError if it is missing, or
/// if its type cannot be a bookmark. `types` must contain the types of the columns.
const pg::TableColumn& replication_key_column(const StreamPlan& plan,
                                              const std::vector<pg::TableColumn>& table,
                                              const TypeRows& types);

/// Throws StreamError if WAL has no changes of the stream's table. `tables` is its entry of
/// pg::replica_identities().
void require_changes_in_wal(const std::vector<pg::ReplicaIdentity>& tables);

/// Warns of changes of the stream's tables that WAL does not contain, with the remedy. `without_updates`: the
/// tables whose missing updates were reported already, see tables_without_updates().
void warn_of_missing_changes(const StreamPlan& plan, const std::vector<pg::ReplicaIdentity>& tables,
                             const std::set<pg::TableName>& without_updates, const Warn& warn);

}  // namespace tap::sync
