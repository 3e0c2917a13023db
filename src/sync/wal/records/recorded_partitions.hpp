// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <tap/base/json.hpp>
#include <tap/pg/catalog/tables.hpp>
#include <tap/pg/connection.hpp>
#include <tap/sync/plan.hpp>

namespace tap::sync {

// A log-based stream's bookmark records the partitions and child tables of its table. If the next run finds
// others, rows may differ from the target: changes made to a table before it was attached were not read, and
// rows of a table that was detached or dropped stay in the target.

/// The OIDs of a table's partitions and child tables, as the bookmark records them. Empty for a plain table.
Json partition_oids(const pg::Relation& relation);

/// The first transaction ID that was not assigned yet. Throws what Connection::query() does.
std::uint64_t next_transaction_id(pg::Connection& connection);

/// True if the table's bookmark must record next_transaction_id(): it is partitioned or has child tables. A
/// plain table seldom gets its first child table; its STATE stays short.
bool needs_next_transaction_id(const pg::Relation& relation, const Json& partitions);

/// Records partitions in a bookmark, an empty list too: without a list, changes cannot be noticed.
/// `next_transaction_id` must be taken after the bookmark's position in WAL; nothing if it is unknown.
void record_partitions(Json& bookmark, const Json& partitions,
                       std::optional<std::uint64_t> next_transaction_id);

/// Warns of tables that were attached, detached or dropped since the bookmark was written, unless certainly
/// no change is missing. wal2json sends the rows of every table, so that one whose creation is in WAL after
/// the bookmark lacks none. pgoutput sends those of `publications` (nothing for wal2json): unless these are
/// for all tables or for the table's schema, it sends of a new table only what is written after it was
/// attached; throws StreamError if the table certainly has other rows. Throws what Connection::query() does.
void check_partition_changes(pg::Connection& connection, const StreamPlan& plan, const pg::Relation& relation,
                             const Json& bookmark, std::optional<std::vector<std::string>> publications);

}  // namespace tap::sync
