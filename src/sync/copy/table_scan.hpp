// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include <tap/pg/catalog/relation.hpp>
#include <tap/pg/connection.hpp>

#include "block_ranges.hpp"

namespace tap::sync {

/// Makes the current transaction read rows in the order of their table's file. Returns the files of the
/// partitions that can be read in ranges of blocks, by OID: none before version 14. Call after the snapshot
/// was taken, so that all of its rows are in these blocks. Throws what Connection::query() does.
std::map<Oid, BlockRanges::File> prepare_scans(pg::Connection& connection, const pg::Relation& relation);

/// Adds a WHERE clause to `query`, unless `condition` is empty.
std::string with_condition(const std::string& query, const std::string& condition);

}  // namespace tap::sync
