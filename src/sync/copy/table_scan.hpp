// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <string_view>

#include <tap/pg/catalog/relation.hpp>
#include <tap/pg/server_version.hpp>
#include <tap/sync/plan.hpp>

#include "block_ranges.hpp"

namespace tap::sync {

/// Returns statements that make a transaction read rows in the order of their table's file; empty before
/// version 9.6, which always does.
std::string settings_for_scans(pg::ServerVersion version);

/// Returns the files of the partitions that can be read in ranges of blocks, by OID: none before version 14.
std::map<Oid, BlockRanges::File> files_to_read_in_ranges(const pg::Relation& relation,
                                                         pg::ServerVersion version);

/// A query for the rows of a stream's table, or of a partition, that pass the stream's row filter.
class TableQuery {
 public:
  /// `file` is the order that the rows have in the table's file, also if an index would find them sooner.
  enum class Order { any, file };

  /// `columns` is a SELECT list, `table` the SQL name of the table, perhaps with ONLY.
  TableQuery(const StreamPlan& stream, std::string_view columns, const std::string& table,
             Order order = Order::any);

  /// Returns the query for the rows that meet `condition` as well, unless it is empty.
  [[nodiscard]] std::string sql(const std::string& condition = "") const;

 private:
  std::string select_;
  std::string filter_;
};

}  // namespace tap::sync
