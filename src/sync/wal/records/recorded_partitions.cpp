// SPDX-License-Identifier: Apache-2.0
#include "recorded_partitions.hpp"

#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <tap/base/error.hpp>
#include <tap/base/log.hpp>
#include <tap/pg/quote.hpp>

#include "attached_partitions.hpp"

namespace tap::sync {

namespace {

constexpr const char* kPartitionsKey = "partitions";
constexpr const char* kNextTransactionKey = "partitions_xid";

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

/// Throws StreamError if tables have rows that are not read from WAL; warns if they may have some.
void report_attached(const std::string& stream, const std::vector<AttachedTable>& attached) {
  std::vector<std::string> all;
  std::vector<std::string> with_rows;
  for (const AttachedTable& table : attached) {
    all.push_back(table.name);
    if (table.has_unread_rows) {
      with_rows.push_back(table.name);
    }
  }
  if (!with_rows.empty()) {
    throw StreamError(
        fmt::format("tables were attached since the last run with rows that are not read from WAL ({}); "
                    "restart the stream with --full-refresh {}",
                    fmt::join(with_rows, ", "), stream));
  }
  if (!all.empty()) {
    log::warn(
        "{0}: tables were attached since the last run ({1}): the rows that they had before are not read from "
        "WAL; if they had any, run once with --full-refresh {0}",
        stream, fmt::join(all, ", "));
  }
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

void check_partition_changes(pg::Connection& connection, const StreamPlan& plan, const pg::Relation& relation,
                             const Json& bookmark, std::optional<std::vector<std::string>> publications) {
  const auto recorded = bookmark.find(kPartitionsKey);
  if (recorded == bookmark.end() || !recorded->is_array()) {
    return;
  }
  const std::vector<Oid> before = read_oids(*recorded);
  const std::vector<Oid> now = read_oids(partition_oids(relation));
  const std::string& id = plan.stream.id;
  UnattachedTables wal{std::move(publications), std::nullopt};
  if (const auto next = bookmark.find(kNextTransactionKey);
      next != bookmark.end() && next->is_number_unsigned()) {
    wal.next_transaction_id = next->get<std::uint64_t>();
  }

  if (const std::vector<Oid> added = without(now, before); !added.empty()) {
    report_attached(id, find_attached_tables(connection, wal, relation.oid, added));
  }
  if (const auto again =
          find_reattached_tables(connection, wal, relation.oid, without(now, without(now, before)));
      !again.empty()) {
    log::warn(
        "{0}: tables were detached and attached again since the last run ({1}): changes made in between are "
        "not "
        "read from WAL; if there were any, run once with --full-refresh {0}",
        id, fmt::join(again, ", "));
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
