// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include <tap/pg/catalog/relation.hpp>
#include <tap/pg/server_version.hpp>

#include "block_ranges.hpp"

namespace tap::sync {

/// Returns statements that make a transaction read rows in the order of their table's file; empty before
/// version 9.6, which always does.
std::string settings_for_scans(pg::ServerVersion version);

/// Returns the files of the partitions that can be read in ranges of blocks, by OID: none before version 14.
std::map<Oid, BlockRanges::File> files_to_read_in_ranges(const pg::Relation& relation,
                                                         pg::ServerVersion version);

/// Adds a WHERE clause to `query`, unless `condition` is empty.
std::string with_condition(const std::string& query, const std::string& condition);

}  // namespace tap::sync
