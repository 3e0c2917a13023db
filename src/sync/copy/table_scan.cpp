// SPDX-License-Identifier: Apache-2.0
#include "table_scan.hpp"

#include <spdlog/fmt/fmt.h>

namespace tap::sync {

namespace {

constexpr const char* kWithoutWorkers = "SET LOCAL max_parallel_workers_per_gather = 0";  // they mix the rows

// Makes the planner prefer TID range scans. With the costs that some systems set, it would read the whole
// table for each range.
constexpr const char* kTidRangeScans =
    "SET LOCAL enable_tidscan = on; SET LOCAL seq_page_cost = 1; SET LOCAL random_page_cost = 1";

}  // namespace

std::string settings_for_scans(pg::ServerVersion version) {
  if (version.has_tid_range_scans()) {
    return fmt::format("{}; {}", kWithoutWorkers, kTidRangeScans);
  }
  return version.has_parallel_query() ? kWithoutWorkers : "";
}

std::map<Oid, BlockRanges::File> files_to_read_in_ranges(const pg::Relation& relation,
                                                         pg::ServerVersion version) {
  std::map<Oid, BlockRanges::File> files;
  if (version.has_tid_range_scans()) {
    for (const pg::Partition& partition : relation.partitions) {
      if (partition.has_ctid) {
        files[partition.oid] = {.blocks = partition.blocks, .bytes = partition.bytes};
      }
    }
  }
  return files;
}

TableQuery::TableQuery(const StreamPlan& stream, std::string_view columns, const std::string& table,
                       Order order)
    : select_(fmt::format("SELECT {} FROM {}", columns, from_item(stream, table))),
      filter_(to_sql(stream.where)) {
  if (order == Order::file && !filter_.empty()) {
    // The planner does not use an index or a join for what is inside of CASE.
    filter_ = fmt::format("CASE WHEN {} THEN true END", filter_);
  }
}

std::string TableQuery::sql(const std::string& condition) const {
  if (filter_.empty() || condition.empty()) {
    const std::string& only = filter_.empty() ? condition : filter_;
    return only.empty() ? select_ : fmt::format("{} WHERE {}", select_, only);
  }
  return fmt::format("{} WHERE {} AND ({})", select_, filter_, condition);
}

}  // namespace tap::sync
