// SPDX-License-Identifier: Apache-2.0
#include "recorded_partitions.hpp"

#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <tap/base/log.hpp>
#include <tap/pg/quote.hpp>

namespace tap::sync {

namespace {

constexpr const char* kPartitionsKey = "partitions";
constexpr const char* kNextTransactionKey = "partitions_xid";

// Of new partitions, those that were attached after their creation. $1 OIDs of the new partitions, $2 OID of
// the stream's table; {} is a condition on the age of `created`, the partition's creation. The catalog row of
// a system column is written once, with the table. A younger row in pg_inherits means that the table, or a
// table that it is a partition of, was attached later.
constexpr const char* kAttached = R"sql(
WITH RECURSIVE link(partition, parent, age) AS (
  SELECT inhrelid, inhparent, pg_catalog.age(xmin)
    FROM pg_catalog.pg_inherits
   WHERE inhrelid = ANY ($1::oid[])
  UNION ALL
  SELECT link.partition, i.inhparent, pg_catalog.age(i.xmin)
    FROM link JOIN pg_catalog.pg_inherits i ON i.inhrelid = link.parent
   WHERE link.parent <> $2::oid
)
SELECT n.nspname AS schema_name, c.relname AS table_name
  FROM pg_catalog.pg_attribute created
  JOIN pg_catalog.pg_class c ON c.oid = created.attrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE created.attrelid = ANY ($1::oid[]) AND created.attname = 'ctid'
   AND EXISTS (SELECT 1 FROM link
                WHERE link.partition = c.oid AND link.age < pg_catalog.age(created.xmin)) {}
 ORDER BY schema_name, table_name
)sql";

// $1 OIDs of tables.
constexpr const char* kTables = R"sql(
SELECT n.nspname AS schema_name, c.relname AS table_name
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.oid = ANY ($1::oid[])
 ORDER BY schema_name, table_name
)sql";

std::vector<Oid> read_oids(const Json& list) {
  std::vector<Oid> oids;
  for (const Json& oid : list) {
    if (oid.is_number_unsigned()) {
      oids.push_back(oid.get<Oid>());
    }
  }
  std::ranges::sort(oids);
  return oids;
}

/// The elements of `all` that are not in `others`; both are sorted.
std::vector<Oid> without(const std::vector<Oid>& all, const std::vector<Oid>& others) {
  std::vector<Oid> difference;
  std::ranges::set_difference(all, others, std::back_inserter(difference));
  return difference;
}

std::string to_array(const std::vector<Oid>& oids) {
  return fmt::format("{{{}}}", fmt::join(oids, ","));
}

std::vector<std::string> table_names(const pg::Result& rows) {
  std::vector<std::string> names;
  for (const pg::Row row : rows) {
    names.push_back(pg::quote_qualified(row.view("schema_name"), row.view("table_name")));
  }
  return names;
}

}  // namespace

Json partition_oids(const pg::Relation& relation) {
  Json oids = Json::array();
  for (const pg::Partition& partition : relation.partitions) {
    if (partition.oid != relation.oid) {
      oids.push_back(partition.oid);
    }
  }
  return oids;
}

std::uint64_t next_transaction_id(pg::Connection& connection) {
  const pg::Result answer =
      connection.query("SELECT pg_catalog.txid_snapshot_xmax(pg_catalog.txid_current_snapshot()) AS next");
  return static_cast<std::uint64_t>(answer.first().number("next"));
}

bool needs_next_transaction_id(const pg::Relation& relation, const Json& partitions) {
  return relation.kind == pg::RelationKind::partitioned || !partitions.empty();
}

void record_partitions(Json& bookmark, const Json& partitions,
                       std::optional<std::uint64_t> next_transaction_id) {
  bookmark[kPartitionsKey] = partitions;
  if (next_transaction_id) {
    bookmark[kNextTransactionKey] = *next_transaction_id;
  } else {
    bookmark.erase(kNextTransactionKey);
  }
}

void warn_of_partition_changes(pg::Connection& connection, const StreamPlan& plan,
                               const pg::Relation& relation, const Json& bookmark) {
  const auto recorded = bookmark.find(kPartitionsKey);
  if (recorded == bookmark.end() || !recorded->is_array()) {
    return;
  }
  const std::vector<Oid> before = read_oids(*recorded);
  const std::vector<Oid> now = read_oids(partition_oids(relation));
  const std::string& id = plan.stream.id;

  if (const std::vector<Oid> added = without(now, before); !added.empty()) {
    const auto next = bookmark.find(kNextTransactionKey);
    const bool is_known = next != bookmark.end() && next->is_number_unsigned();
    const std::string condition =
        is_known ? fmt::format("AND pg_catalog.age(created.xmin) > pg_catalog.age('{}'::pg_catalog.xid)",
                               static_cast<std::uint32_t>(next->get<std::uint64_t>()))
                 : "";
    const auto attached = table_names(
        connection.query(fmt::format(kAttached, condition), {to_array(added), fmt::to_string(relation.oid)}));
    if (!attached.empty()) {
      log::warn(
          "{0}: tables were attached since the last run ({1}): the rows that they had before are not read "
          "from WAL; if they had any, run once with --full-refresh {0}",
          id, fmt::join(attached, ", "));
    }
  }
  if (const std::vector<Oid> gone = without(before, now); !gone.empty()) {
    auto missing = table_names(connection.query(kTables, {to_array(gone)}));
    if (const auto dropped = gone.size() - missing.size(); dropped > 0) {
      missing.push_back(fmt::format("{} dropped", dropped));
    }
    log::warn(
        "{0}: partitions were detached or dropped since the last run ({1}): their rows stay in the target; "
        "to remove them, run once with --full-refresh {0}",
        id, fmt::join(missing, ", "));
  }
}

}  // namespace tap::sync
