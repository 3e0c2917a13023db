// SPDX-License-Identifier: Apache-2.0
#include "table_scan.hpp"

#include <vector>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

namespace tap::sync {

namespace {

constexpr const char* kWithoutWorkers = "SET LOCAL max_parallel_workers_per_gather = 0";  // they mix the rows

// Makes the planner prefer TID range scans. With the costs that some systems set, it would read the whole
// table for each range.
constexpr const char* kTidRangeScans =
    "SET LOCAL enable_tidscan = on; SET LOCAL seq_page_cost = 1; SET LOCAL random_page_cost = 1";

// To be formatted with OIDs.
constexpr const char* kFileSizes = R"sql(
SELECT oid,
       pg_catalog.pg_relation_size(oid) / pg_catalog.current_setting('block_size')::bigint AS blocks,
       pg_catalog.pg_table_size(oid) AS bytes
  FROM pg_catalog.unnest('{{{}}}'::oid[]) partition(oid)
)sql";

}  // namespace

std::map<Oid, BlockRanges::File> prepare_scans(pg::Connection& connection, const pg::Relation& relation) {
  std::map<Oid, BlockRanges::File> files;
  std::vector<Oid> oids;
  for (const pg::Partition& partition : relation.partitions) {
    if (partition.has_ctid) {
      oids.push_back(partition.oid);
    }
  }
  if (connection.version().has_tid_range_scans() && !oids.empty()) {
    const pg::Result sizes = connection.simple_query(fmt::format(
        "{}; {}; {}", kWithoutWorkers, kTidRangeScans, fmt::format(kFileSizes, fmt::join(oids, ","))));
    for (const pg::Row row : sizes) {
      files[row.oid("oid")] = {.blocks = static_cast<std::uint64_t>(row.number("blocks")),
                               .bytes = static_cast<std::uint64_t>(row.number("bytes"))};
    }
  } else if (connection.version().has_parallel_query()) {
    connection.execute(kWithoutWorkers);
  }
  return files;
}

std::string with_condition(const std::string& query, const std::string& condition) {
  return condition.empty() ? query : query + " WHERE " + condition;
}

}  // namespace tap::sync
