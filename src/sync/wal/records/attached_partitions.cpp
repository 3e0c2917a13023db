// SPDX-License-Identifier: Apache-2.0
// When tables were attached is read from the transaction and command that wrote their catalog rows: see xmin
// and cmin in the manual, System Columns.
#include "attached_partitions.hpp"

#include <algorithm>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <tap/base/log.hpp>
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
// before the table was attached, {1} if it may have some of it, {2} is a condition for creations that the
// last run may have missed.
constexpr const char* kAttached = R"sql(
SELECT DISTINCT ON (c.oid) n.nspname AS schema_name, c.relname AS table_name, link.xid::text AS xid,
       link.command AS command, created.xmin::text AS created_xid, {1} AS may_be_in_wal,
       pg_catalog.pg_relation_size(c.oid) AS bytes
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
   AND (NOT {0} OR {2})
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
constexpr const char* kIsMember = R"sql(
  OR EXISTS (SELECT 1 FROM pg_catalog.pg_publication_rel r WHERE r.prpubid = p.oid AND r.prrelid = c.oid)
)sql";

// Larger tables are not searched for rows: a search that finds none reads the whole table.
constexpr std::int64_t kMostSearched = std::int64_t{1} << 30U;  // bytes

std::uint32_t to_xid(std::uint64_t transaction_id) {
  return static_cast<std::uint32_t>(transaction_id);  // without its epoch
}

/// A condition on `c`, true if WAL has the changes made before a table is attached. `or_else`: another reason
/// to be in a publication.
std::string is_in_wal(pg::Connection& connection, const UnattachedTables& wal,
                      const std::string& or_else = "") {
  const char* const in_schema = connection.version().has_publication_filters() ? kInPublishedSchema : "";
  return wal.publications ? fmt::format(kIsPublished, in_schema + or_else) : "true";
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

/// Whether rows of a table are not read from WAL.
enum class UnreadRows { none, possible, certain };

/// Nothing if the table cannot be read, as a foreign table or without the privilege.
std::optional<bool> has_row(pg::Connection& connection, const std::string& table,
                            const std::string& condition) {
  try {
    return !connection.read_table(fmt::format("SELECT 1 FROM ONLY {} WHERE {} LIMIT 1", table, condition))
                .is_empty();
  } catch (const pg::ServerError& error) {
    log::debug("{}: cannot look for rows from before it was attached: {}", table, error.what());
    return std::nullopt;
  }
}

/// Looks for rows that are older than the attachment. What wrote them before the table's creation, or in a
/// subtransaction, may have done so after it. A row that was locked or changed has lost its cmin.
UnreadRows look_for_rows(pg::Connection& connection, const pg::Row& attached, const std::string& table) {
  if (attached.flag("may_be_in_wal") || attached.number("bytes") > kMostSearched) {
    return UnreadRows::possible;
  }
  const std::string_view xid = attached.view("xid");
  const std::string_view created = attached.view("created_xid");
  const std::string in_transaction = fmt::format("xmin OPERATOR(pg_catalog.=) '{}'::pg_catalog.xid", xid);
  const std::string is_unchanged = "xmax OPERATOR(pg_catalog.=) '0'::pg_catalog.xid";
  const std::string is_earlier = fmt::format(
      "cmin::pg_catalog.text::pg_catalog.int8 OPERATOR(pg_catalog.<) {}", attached.number("command"));
  const std::string certain = fmt::format(
      "(pg_catalog.age(xmin) OPERATOR(pg_catalog.>) pg_catalog.age('{}'::pg_catalog.xid) AND "
      "pg_catalog.age(xmin) OPERATOR(pg_catalog.<=) pg_catalog.age('{}'::pg_catalog.xid)) OR "
      "({} AND {} AND {})",
      xid, created, in_transaction, is_unchanged, is_earlier);
  const std::optional<bool> is_certain = has_row(connection, table, certain);
  if (is_certain == true) {
    return UnreadRows::certain;
  }
  const std::string changed = fmt::format("{} AND NOT ({})", in_transaction, is_unchanged);
  const bool is_possible =
      !is_certain || xid != created || has_row(connection, table, changed).value_or(true);
  return is_possible ? UnreadRows::possible : UnreadRows::none;
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
                                      fmt::format(kAttached, is_in_wal(connection, wal),
                                                  is_in_wal(connection, wal, kIsMember), may_be_missed));
  std::vector<AttachedTable> attached;
  for (const pg::Row row : rows) {
    std::string name = pg::quote_qualified(row.view("schema_name"), row.view("table_name"));
    const UnreadRows found = look_for_rows(connection, row, name);
    if (found != UnreadRows::none) {
      attached.push_back({std::move(name), found == UnreadRows::certain});
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
