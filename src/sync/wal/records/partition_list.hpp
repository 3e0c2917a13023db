// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include <tap/base/json.hpp>
#include <tap/pg/catalog/tables.hpp>
#include <tap/pg/connection.hpp>
#include <tap/sync/plan.hpp>

namespace tap::sync {

// A log-based stream's partitions and child tables, which its bookmark remembers from run to run: a table
// that is attached brings rows whose changes WAL had under an unselected table, one that is detached
// or dropped leaves its rows in the target.

/// What the bookmark remembers of them: their OIDs. Empty if there are none.
Json partitions_of(const pg::Relation& relation);

/// The first transaction ID of which nothing can be in WAL before now.
std::uint64_t next_transaction(pg::Connection& connection);

/// True for a table whose bookmark needs next_transaction(): it is partitioned or has child tables. A plain
/// table seldom gets its first child table, so its bookmark does without, to keep STATE short.
bool needs_next_transaction(const pg::Relation& relation, const Json& partitions);

/// Notes partitions in a bookmark, an empty list too: only without one are changes unknown.
/// `next_transaction` is from after the bookmark's position in WAL; nothing if it is unknown.
void note_partitions(Json& bookmark, const Json& partitions, std::optional<std::uint64_t> next_transaction);

/// Warns of partitions that were attached, detached or dropped since the bookmark was written. A partition
/// that was created as one, or whose creation is in WAL after the bookmark, is no gap.
void warn_of_partition_changes(pg::Connection& connection, const StreamPlan& plan,
                               const pg::Relation& relation, const Json& bookmark);

}  // namespace tap::sync
