// SPDX-License-Identifier: Apache-2.0
// When tables were attached is read from the transaction and command that wrote their catalog rows: see xmin
// and cmin in the manual, System Columns.
#include "attached_partitions.hpp"

#include <algorithm>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <tap/base/log.hpp>
#include <tap/base/text.hpp>
#include <tap/pg/errors.hpp>
#include <tap/pg/quote.hpp>

namespace tap::sync {

namespace {

// The links from partitions up to the stream's table. $1 OIDs of the partitions, $2 OID of the table.
constexpr const char* kLinks = R"sql(
WITH RECURSIVE link(partition, parent, xid, command, is_direct, is_pending) AS (
  SELECT inhrelid, inhparent, i.xmin, i.cmin::text::bigint, true, pg_catalog.to_jsonb(i) ->> 'inhdetachpending'
    FROM pg_catalog.pg_inherits i
   WHERE inhrelid = ANY ($1::oid[])
  UNION ALL
  SELECT link.partition, i.inhparent, i.xmin, i.cmin::text::bigint, false,
         pg_catalog.to_jsonb(i) ->> 'inhdetachpending'
    FROM link JOIN pg_catalog.pg_inherits i ON i.inhrelid = link.parent
   WHERE link.parent <> $2::oid
)
)sql";

// The last link of each partition that is younger than the partition's creation. The catalog row of a system
// column is written once, with the table. A table that is attached has no inherited column whose row is as
// old; one that was created as a partition almost always has one. {0} is true if WAL has what was written
// before the table was attached, {1} a condition for creations that the last run may have missed.
constexpr const char* kAttached = R"sql(
SELECT DISTINCT ON (c.oid) n.nspname AS schema_name, c.relname AS table_name, link.xid::text AS xid,
       link.command AS command, link.xid = created.xmin AS is_same_transaction, {0} AS is_in_wal
  FROM pg_catalog.pg_attribute created
  JOIN pg_catalog.pg_class c ON c.oid = created.attrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN link ON link.partition = c.oid
 WHERE created.attrelid = ANY ($1::oid[]) AND created.attname = 'ctid'
   AND CASE WHEN link.is_direct
            THEN link.xid <> created.xmin
                 OR NOT EXISTS (SELECT 1
                                  FROM pg_catalog.pg_attribute own
                                 WHERE own.attrelid = c.oid AND own.attinhcount > 0
                                   AND own.xmin = created.xmin AND own.cmin = created.cmin)
            ELSE pg_catalog.age(link.xid) < pg_catalog.age(created.xmin)
                 OR (link.xid = created.xmin AND link.command > created.cmin::text::bigint)
       END
   AND (NOT {0} OR {1})
 ORDER BY c.oid, pg_catalog.age(link.xid), link.command DESC
)sql";

// {0} as above, {1} the transaction ID.
constexpr const char* kReattached = R"sql(
SELECT DISTINCT n.nspname AS schema_name, c.relname AS table_name
  FROM link
  JOIN pg_catalog.pg_class c ON c.oid = link.partition
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE pg_catalog.age(link.xid) <= pg_catalog.age('{1}'::pg_catalog.xid)
   AND link.is_pending IS DISTINCT FROM 'true' AND NOT {0}
 ORDER BY schema_name, table_name
)sql";

// $3 the names of publications.
constexpr const char* kIsPublished = R"sql(
  EXISTS (SELECT 1 FROM pg_catalog.pg_publication p WHERE p.pubname = ANY ($3::text[]) AND (p.puballtables{}))
)sql";
constexpr const char* kInPublishedSchema = R"sql(
  OR EXISTS (SELECT 1 FROM pg_catalog.pg_publication_namespace s
              WHERE s.pnpubid = p.oid AND s.pnnspid = c.relnamespace)
)sql";

std::uint32_t to_xid(std::uint64_t transaction_id) {
  return static_cast<std::uint32_t>(transaction_id);  // without its epoch
}

/// A condition on `c`, true if WAL has the changes made before a table is attached.
std::string is_in_wal(pg::Connection& connection, const UnattachedTables& wal) {
  return wal.publications
             ? fmt::format(kIsPublished,
                           connection.version().has_publication_filters() ? kInPublishedSchema : "")
             : "true";
}

std::string to_array(const std::vector<Oid>& oids) {
  return fmt::format("{{{}}}", fmt::join(oids, ","));
}

pg::Result query_links(pg::Connection& connection, const UnattachedTables& wal, Oid root,
                       const std::vector<Oid>& tables, const std::string& select) {
  std::vector<std::string> parameters = {to_array(tables), fmt::to_string(root)};
  if (wal.publications) {
    parameters.push_back(pg::array_text(*wal.publications));
  }
  return connection.query(kLinks + select, parameters);
}

/// A condition for the rows that are not read from WAL; empty if it is unknown.
std::string unread_rows(const pg::Row& attached, const UnattachedTables& wal) {
  if (attached.flag("is_in_wal")) {
    return wal.next_transaction_id
               ? fmt::format(
                     "pg_catalog.age(xmin) OPERATOR(pg_catalog.>) pg_catalog.age('{}'::pg_catalog.xid)",
                     to_xid(*wal.next_transaction_id))
               : "";
  }
  return fmt::format(
      "pg_catalog.age(xmin) OPERATOR(pg_catalog.>) pg_catalog.age('{0}'::pg_catalog.xid) OR "
      "(xmin OPERATOR(pg_catalog.=) '{0}'::pg_catalog.xid AND "
      "cmin::pg_catalog.text::pg_catalog.int8 OPERATOR(pg_catalog.<) {1})",
      attached.view("xid"), attached.number("command"));
}

/// Nothing if the table cannot be read, as a foreign table or without the privilege.
std::optional<bool> has_rows(pg::Connection& connection, const std::string& table,
                             const std::string& condition) {
  if (condition.empty()) {
    return std::nullopt;
  }
  try {
    return !connection.read_table(fmt::format("SELECT 1 FROM ONLY {} WHERE {} LIMIT 1", table, condition))
                .is_empty();
  } catch (const pg::ServerError& error) {
    log::debug("{}: cannot look for rows from before it was attached: {}", table, error.what());
    return std::nullopt;
  }
}

}  // namespace

std::vector<AttachedTable> find_attached_tables(pg::Connection& connection, const UnattachedTables& wal,
                                                Oid root, const std::vector<Oid>& tables) {
  const std::string may_be_missed =
      wal.next_transaction_id
          ? fmt::format("pg_catalog.age(created.xmin) > pg_catalog.age('{}'::pg_catalog.xid)",
                        to_xid(*wal.next_transaction_id))
          : "true";
  const pg::Result rows = query_links(connection, wal, root, tables,
                                      fmt::format(kAttached, is_in_wal(connection, wal), may_be_missed));
  std::vector<AttachedTable> attached;
  for (const pg::Row row : rows) {
    std::string name = pg::quote_qualified(row.view("schema_name"), row.view("table_name"));
    std::optional<bool> found = has_rows(connection, name, unread_rows(row, wal));
    if (found == false && !row.flag("is_same_transaction")) {
      found.reset();  // a subtransaction that ended before the table was attached has a later ID
    }
    if (found != false) {
      attached.push_back({std::move(name), found});
    }
  }
  std::ranges::sort(attached, {}, &AttachedTable::name);
  return attached;
}

std::vector<std::string> find_reattached_tables(pg::Connection& connection, const UnattachedTables& wal,
                                                Oid root, const std::vector<Oid>& tables) {
  std::vector<std::string> names;
  if (!wal.publications || !wal.next_transaction_id || tables.empty()) {
    return names;
  }
  const pg::Result rows =
      query_links(connection, wal, root, tables,
                  fmt::format(kReattached, is_in_wal(connection, wal), to_xid(*wal.next_transaction_id)));
  for (const pg::Row row : rows) {
    names.push_back(pg::quote_qualified(row.view("schema_name"), row.view("table_name")));
  }
  return names;
}

}  // namespace tap::sync
