// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <tap/base/error.hpp>
#include <tap/pg/catalog/replica_identity.hpp>
#include <tap/pg/catalog/tables.hpp>
#include <tap/sync/plan.hpp>

namespace tap::sync {

// Whether a stream of the catalog and its table as it is now go together: what a run asks, and the check
// before it.

/// Gets what does not stop the stream.
using Warn = std::function<void(const Problem&)>;

/// The synced columns that the table has, in the order of a record. Throws StreamError if one of the key is
/// gone, or all are. The answer points into `table`.
std::vector<const pg::TableColumn*> synced_columns(const StreamPlan& plan,
                                                   const std::vector<pg::TableColumn>& table,
                                                   const Warn& warn);

/// The column of an incremental stream's replication key. Throws StreamError if it is gone, or of a type
/// without an order that a bookmark can keep. `types` must hold what the columns are made of.
const pg::TableColumn& replication_key(const StreamPlan& plan, const std::vector<pg::TableColumn>& table,
                                       const TypeRows& types);

/// Throws StreamError if the log has no changes of these, of which the first is the stream's own.
void require_logged(const std::vector<pg::ReplicaIdentity>& tables);

/// Says which changes of the stream's tables the log will not have, and what mends that.
void warn_of_gaps(const StreamPlan& plan, const std::vector<pg::ReplicaIdentity>& tables, const Warn& warn);

}  // namespace tap::sync
