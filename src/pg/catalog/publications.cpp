// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <iterator>
#include <map>
#include <tuple>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <tap/base/json.hpp>
#include <tap/pg/catalog/publications.hpp>
#include <tap/pg/quote.hpp>

#include "inheritance.hpp"
#include "publication_coverage.hpp"

namespace tap::pg {

namespace {

using Names = std::vector<std::string>;

// $1: names. Columns that only newer servers have are taken from the row's JSON, where they may be absent. To
// be formatted with kHasSchemas or kNever.
constexpr const char* kPublications = R"sql(
SELECT p.pubname AS name, p.puballtables AS all_tables, p.pubinsert AS inserts, p.pubupdate AS updates,
       p.pubdelete AS deletes,
       coalesce((pg_catalog.to_jsonb(p) ->> 'pubtruncate')::boolean, true) AS truncates,
       (pg_catalog.to_jsonb(p) ->> 'pubviaroot')::boolean AS via_root,
       pg_catalog.to_jsonb(p) ->> 'pubgencols' = 's' AS generated_columns, {} AS has_schemas
  FROM pg_catalog.pg_publication p
  JOIN pg_catalog.unnest($1::text[]) WITH ORDINALITY wanted(name, position) ON wanted.name = p.pubname
 ORDER BY wanted.position
)sql";

constexpr const char* kHasSchemas =
    "EXISTS (SELECT 1 FROM pg_catalog.pg_publication_namespace s WHERE s.pnpubid = p.oid)";

// The tables of streams. To be formatted with kInheritance. $1: a JSON list of [schema, table].
constexpr const char* kTrees = R"sql(
WITH RECURSIVE tree(position, root, oid) AS (
  SELECT wanted.position, c.oid, c.oid
    FROM pg_catalog.json_array_elements($1::json) WITH ORDINALITY wanted(name, position)
    JOIN pg_catalog.pg_namespace n ON n.nspname = wanted.name ->> 0
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name ->> 1
   WHERE c.relkind IN ('r', 'p')
  UNION
  SELECT tree.position, tree.root, i.inhrelid
    FROM tree JOIN {} i ON i.inhparent = tree.oid
)
)sql";

// All tables that a publication can have broken: those without a usable replica identity, those with
// generated columns, and those with a column list or row filter; and partitioned tables whose new partitions
// would have no replica identity. $1 is not used. To be formatted with three of the conditions below.
constexpr const char* kSuspects = R"sql(
WITH tree(position, root, oid) AS (
  SELECT 1, c.oid, c.oid
    FROM pg_catalog.pg_class c
   WHERE c.relpersistence = 'p' AND c.oid >= 16384 AND $1::json IS NOT NULL
     AND (c.relkind = 'p'
            AND NOT EXISTS (SELECT 1
                              FROM pg_catalog.pg_index x
                             WHERE x.indrelid = c.oid AND x.indisprimary AND x.indimmediate)
          OR c.relkind = 'r' AND (NOT c.relreplident = 'f' AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_index x WHERE {})
          OR EXISTS (SELECT 1 FROM pg_catalog.pg_attribute a
                      WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND {})
          OR {}))
)
)sql";

// True of the index x that is the replica identity of the table c.
constexpr const char* kIsIdentity = R"sql(
  x.indrelid = c.oid AND x.indisvalid AND x.indisunique AND x.indimmediate AND x.indpred IS NULL
  AND (c.relreplident = 'd' AND x.indisprimary OR c.relreplident = 'i' AND x.indisreplident)
)sql";

// To be formatted with kIsIdentity, the key columns of x, and the conditions of stored and virtual columns.
constexpr const char* kFacts = R"sql(
SELECT tree.position AS position, c.oid AS oid, n.nspname AS schema_name, c.relname AS table_name,
       c.relkind = 'p' AS is_partitioned, c.relispartition AS is_partition,
       c.relkind = 'r' AND EXISTS (SELECT 1 FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid)
         AS has_children,
       c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND c.oid >= 16384 AS is_publishable,
       c.relreplident = 'f' AS is_full,
       EXISTS (SELECT 1
                 FROM pg_catalog.pg_index x
                WHERE x.indrelid = c.oid AND x.indisprimary AND x.indimmediate) AS has_primary_key,
       pg_catalog.to_json(ARRAY(
         SELECT a.attname::text
           FROM pg_catalog.pg_attribute a
          WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
            AND (c.relreplident = 'f'
                 OR EXISTS (SELECT 1 FROM pg_catalog.pg_index x WHERE {} AND a.attnum = ANY ({})))
          ORDER BY a.attnum)) AS identity,
       pg_catalog.to_json(ARRAY(
         SELECT a.attname::text
           FROM pg_catalog.pg_attribute a
          WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
          ORDER BY a.attnum)) AS columns,
       pg_catalog.to_json(ARRAY(
         SELECT a.attname::text
           FROM pg_catalog.pg_attribute a
          WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND {}
          ORDER BY a.attnum)) AS generated,
       pg_catalog.to_json(ARRAY(
         SELECT a.attname::text
           FROM pg_catalog.pg_attribute a
          WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND {}
          ORDER BY a.attnum)) AS virtuals
  FROM tree
  JOIN pg_catalog.pg_class c ON c.oid = tree.oid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 ORDER BY tree.position, (tree.oid = tree.root) DESC, schema_name, table_name
)sql";

constexpr const char* kStored = "a.attgenerated = 's'";
constexpr const char* kVirtual = "a.attgenerated = 'v'";
constexpr const char* kGenerated = "a.attgenerated IN ('s', 'v')";
constexpr const char* kRestricted = R"sql(
  EXISTS (SELECT 1
            FROM pg_catalog.pg_publication_rel r
           WHERE (r.prattrs IS NOT NULL OR r.prqual IS NOT NULL) AND (r.prrelid = c.oid OR c.relispartition))
)sql";
constexpr const char* kNever = "false";

bool contains(const Names& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

/// `tree` is kTrees or kSuspects, formatted.
std::string facts_query(const std::string& tree, ServerVersion version) {
  const char* const keys = version.has_covering_indexes()
                               ? "(x.indkey::smallint[])[0:x.indnkeyatts OPERATOR(pg_catalog.-) 1]"
                               : "x.indkey::smallint[]";
  return tree + fmt::format(kFacts, kIsIdentity, keys, version.has_generated_columns() ? kStored : kNever,
                            version.has_virtual_columns() ? kVirtual : kNever);
}

/// A table and where to put what is published of it.
struct Found {
  PublishedTable table;
  std::size_t position = 0;
};

std::vector<Found> find_tables(Connection& connection, const std::string& tree, const Json& names) {
  std::vector<Found> all;
  const std::size_t positions = std::max<std::size_t>(names.size(), 1);
  for (const Row row : connection.query(facts_query(tree, connection.version()), {to_text(names)})) {
    Found& found = all.emplace_back();
    PublishedTable& table = found.table;
    found.position = row.index("position", positions);
    table.name = {row.text("schema_name"), row.text("table_name")};
    table.oid = row.oid("oid");
    table.is_partitioned = row.flag("is_partitioned");
    table.is_partition = row.flag("is_partition");
    table.has_children = row.flag("has_children");
    table.is_publishable = row.flag("is_publishable");
    table.is_full = row.flag("is_full");
    table.has_primary_key = row.flag("has_primary_key");
    table.identity = row.text_list("identity");
    table.columns = row.text_list("columns");
    table.generated = row.text_list("generated");
    table.virtuals = row.text_list("virtuals");
  }
  return all;
}

void add_published(Connection& connection, std::vector<Found>& found,
                   const std::vector<Publication>& publications) {
  std::vector<PublishedTable*> tables;
  tables.reserve(found.size());
  for (Found& each : found) {
    tables.push_back(&each.table);
  }
  find_published(connection, tables, publications);
}

}  // namespace

std::vector<Publication> find_publications(Connection& connection, const std::vector<std::string>& names) {
  std::vector<Publication> publications;
  const char* const has_schemas = connection.version().has_publication_filters() ? kHasSchemas : kNever;
  for (const Row row : connection.query(fmt::format(kPublications, has_schemas), {array_text(names)})) {
    Publication& publication = publications.emplace_back();
    publication.name = row.text("name");
    publication.all_tables = row.flag("all_tables");
    publication.has_schemas = row.flag("has_schemas");
    publication.inserts = row.flag("inserts");
    publication.updates = row.flag("updates");
    publication.deletes = row.flag("deletes");
    publication.truncates = row.flag("truncates");
    publication.via_root = row.flag("via_root");
    publication.generated_columns = row.flag("generated_columns");
  }
  return publications;
}

std::vector<std::vector<PublishedTable>> published_tables(Connection& connection,
                                                          const std::vector<TableName>& tables,
                                                          const std::vector<Publication>& publications) {
  Json names = Json::array();
  for (const TableName& table : tables) {
    names.push_back(Json::array({table.schema, table.table}));
  }
  std::vector<Found> found = find_tables(connection, fmt::format(kTrees, kInheritance), names);
  add_published(connection, found, publications);
  std::vector<std::vector<PublishedTable>> trees(tables.size());
  for (Found& each : found) {
    trees[each.position].push_back(std::move(each.table));
  }
  return trees;
}

bool may_publish_updates(const PublishedTable& table, ServerVersion version, bool with_generated) {
  if (table.identity.empty() || !version.publishes_generated_columns()) {
    return !table.identity.empty();
  }
  return std::ranges::none_of(table.identity, [&](const std::string& column) {
    return contains(table.virtuals, column) || (!with_generated && contains(table.generated, column));
  });
}

std::vector<PublishedTable> unidentified_tables(Connection& connection,
                                                const std::vector<Publication>& publications) {
  const ServerVersion version = connection.version();
  const std::string tree =
      fmt::format(kSuspects, kIsIdentity, version.publishes_generated_columns() ? kGenerated : kNever,
                  version.has_publication_filters() ? kRestricted : kNever);
  std::vector<Found> found = find_tables(connection, tree, Json::array());
  add_published(connection, found, publications);
  std::vector<PublishedTable> tables;
  for (Found& each : found) {
    const auto& published = each.table.published;
    const bool breaks_partitions = each.table.is_partitioned && !published.empty();
    const auto is_safe = [](const PublishedAs& as) { return as.may_publish_updates && as.may_have_own_name; };
    if (breaks_partitions || !std::ranges::all_of(published, is_safe)) {
      tables.push_back(std::move(each.table));
    }
  }
  return tables;
}

}  // namespace tap::pg
