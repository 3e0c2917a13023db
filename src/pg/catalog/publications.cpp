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

namespace tap::pg {

namespace {

using Names = std::vector<std::string>;

// $1: names. Columns that only newer servers have are taken from the row's JSON, where they may be absent.
constexpr const char* kPublications = R"sql(
SELECT p.pubname AS name, p.puballtables AS all_tables, p.pubinsert AS inserts, p.pubupdate AS updates,
       p.pubdelete AS deletes,
       coalesce((pg_catalog.to_jsonb(p) ->> 'pubtruncate')::boolean, true) AS truncates,
       (pg_catalog.to_jsonb(p) ->> 'pubviaroot')::boolean AS via_root,
       pg_catalog.to_jsonb(p) ->> 'pubgencols' = 's' AS generated_columns
  FROM pg_catalog.pg_publication p
  JOIN pg_catalog.unnest($1::text[]) WITH ORDINALITY wanted(name, position) ON wanted.name = p.pubname
 ORDER BY wanted.position
)sql";

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
// generated columns, and those with a column list. $1 is not used. To be formatted with three of the
// conditions below.
constexpr const char* kSuspects = R"sql(
WITH tree(position, root, oid) AS (
  SELECT 1, c.oid, c.oid
    FROM pg_catalog.pg_class c
   WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND c.oid >= 16384 AND $1::json IS NOT NULL
     AND (NOT c.relreplident = 'f' AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_index x WHERE {})
          OR EXISTS (SELECT 1 FROM pg_catalog.pg_attribute a
                      WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND {})
          OR {})
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
constexpr const char* kListed = R"sql(
  EXISTS (SELECT 1
            FROM pg_catalog.pg_publication_rel r
           WHERE r.prattrs IS NOT NULL AND (r.prrelid = c.oid OR c.relispartition))
)sql";
constexpr const char* kNever = "false";

// Each table with itself and the partitioned tables above it, for each publication that includes one of them.
// To be formatted with kInheritance and one of the two below. $1: OIDs, $2: publications.
constexpr const char* kPublished = R"sql(
WITH RECURSIVE up(oid, above, depth) AS (
  SELECT wanted.oid, wanted.oid, 0 FROM pg_catalog.unnest($1::oid[]) wanted(oid)
  UNION ALL
  SELECT up.oid, i.inhparent, up.depth + 1
    FROM up
    JOIN pg_catalog.pg_class c ON c.oid = up.above AND c.relispartition
    JOIN {} i ON i.inhrelid = up.above
)
SELECT up.oid AS oid, p.pubname AS publication, n.nspname AS schema_name, c.relname AS table_name,
       p.oid AS publication_oid, coalesce(r.oid, 0) AS member_oid, {}
  FROM up
  JOIN pg_catalog.pg_class c ON c.oid = up.above
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 CROSS JOIN pg_catalog.pg_publication p
  LEFT JOIN pg_catalog.pg_publication_rel r ON r.prpubid = p.oid AND r.prrelid = up.above
 WHERE p.pubname = ANY ($2::text[])
 ORDER BY oid, publication, depth
)sql";

constexpr const char* kWithoutFilters = R"sql(
  0 AS schema_oid, NULL AS row_filter, NULL AS column_list
)sql";

constexpr const char* kWithFilters = R"sql(
       coalesce((SELECT s.oid
                   FROM pg_catalog.pg_publication_namespace s
                  WHERE s.pnpubid = p.oid AND s.pnnspid = c.relnamespace), 0) AS schema_oid,
       pg_catalog.pg_get_expr(r.prqual, r.prrelid) AS row_filter,
       CASE WHEN r.prattrs IS NOT NULL
            THEN pg_catalog.to_json(ARRAY(SELECT a.attname::text
                                            FROM pg_catalog.pg_attribute a
                                           WHERE a.attrelid = r.prrelid
                                             AND a.attnum = ANY (r.prattrs::smallint[])
                                           ORDER BY a.attnum))
       END AS column_list
)sql";

bool contains(const Names& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

bool contains_all(const Names& names, const Names& wanted) {
  return std::ranges::all_of(wanted, [&](const std::string& name) { return contains(names, name); });
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
  Oid oid = 0;
  std::size_t position = 0;
};

std::vector<Found> find_tables(Connection& connection, const std::string& tree, const Json& names) {
  std::vector<Found> all;
  const std::size_t positions = std::max<std::size_t>(names.size(), 1);
  for (const Row row : connection.query(facts_query(tree, connection.version()), {to_text(names)})) {
    Found& found = all.emplace_back();
    PublishedTable& table = found.table;
    found.position = row.index("position", positions);
    found.oid = row.oid("oid");
    table.name = {row.text("schema_name"), row.text("table_name")};
    table.oid = found.oid;
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

/// Combines the rows of kPublished on one table and one publication: the table itself, then the partitioned
/// tables above it from the bottom up.
class Coverage {
 public:
  void add(const Row& row) {
    Level& level = levels_.emplace_back();
    level.name = {row.text("schema_name"), row.text("table_name")};
    publication_oid_ = row.oid("publication_oid");
    level.member_oid = row.oid("member_oid");
    level.schema_oid = row.oid("schema_oid");
    level.is_member = level.member_oid != 0;
    level.is_in_schema = level.schema_oid != 0;
    level.row_filter = row.text("row_filter");
    if (!row.is_null("column_list")) {
      level.column_list = row.text_list("column_list");
    }
  }

  [[nodiscard]] std::optional<PublishedAs> published(const Publication& publication,
                                                     const PublishedTable& table,
                                                     ServerVersion version) const {
    const bool any_member = std::ranges::any_of(levels_, &Level::is_member);
    const bool in_schema = std::ranges::any_of(levels_, &Level::is_in_schema);
    if (publication.all_tables ? any_member : !any_member && !in_schema) {  // members are exceptions (19+)
      return std::nullopt;
    }
    const Level* listed = &levels_.front();
    if (publication.via_root) {
      for (const Level& level : levels_) {
        if (publication.all_tables || level.is_member || level.is_in_schema) {
          listed = &level;
        }
      }
    }
    PublishedAs as;
    as.publication = publication.name;
    as.table = listed->name;
    if (publication.all_tables) {
      as.entries = {publication_oid_};
    } else {
      for (const Level& level : levels_) {
        for (const Oid entry : {level.member_oid, level.schema_oid}) {
          if (entry != 0) {
            as.entries.push_back(entry);
          }
        }
      }
    }
    const bool by_name = !publication.all_tables && !in_schema;
    if (by_name) {
      as.member = std::find_if(levels_.rbegin(), levels_.rend(), [](const Level& level) {
                    return level.is_member;
                  })->name;
      as.row_filter = listed->row_filter;
      as.has_column_list = listed->column_list.has_value();
    }
    for (const std::string& column : table.columns) {
      const bool is_generated = contains(table.generated, column);
      const bool is_sent = as.has_column_list ? contains(*listed->column_list, column)
                                              : !is_generated || publication.generated_columns;
      if (is_sent && !contains(table.virtuals, column)) {
        as.columns.push_back(column);
      }
    }
    as.may_publish_updates = allows_updates(as, table, version);
    as.allows_updates = !publication.needs_identity() || as.may_publish_updates;
    return as;
  }

 private:
  struct Level {
    TableName name;
    Oid member_oid = 0;
    Oid schema_oid = 0;
    bool is_member = false;
    bool is_in_schema = false;
    std::string row_filter;
    std::optional<Names> column_list;
  };

  static bool allows_updates(const PublishedAs& as, const PublishedTable& table, ServerVersion version) {
    const bool is_checked = as.has_column_list || version.publishes_generated_columns();
    return !table.identity.empty() && (!is_checked || contains_all(as.columns, table.identity));
  }

  std::vector<Level> levels_;
  Oid publication_oid_ = 0;
};

/// Fills `published` of the tables.
void find_published(Connection& connection, std::vector<Found>& tables,
                    const std::vector<Publication>& publications) {
  if (publications.empty() || tables.empty()) {
    return;
  }
  std::vector<Oid> oids;
  oids.reserve(tables.size());
  std::ranges::transform(tables, std::back_inserter(oids), &Found::oid);
  Names names;
  names.reserve(publications.size());
  std::ranges::transform(publications, std::back_inserter(names), &Publication::name);
  const ServerVersion version = connection.version();
  const std::string sql = fmt::format(kPublished, kInheritance,
                                      version.has_publication_filters() ? kWithFilters : kWithoutFilters);
  std::map<std::pair<Oid, std::string>, Coverage> coverage;
  for (const Row row :
       connection.query(sql, {fmt::format("{{{}}}", fmt::join(oids, ",")), array_text(names)})) {
    coverage[{row.oid("oid"), row.text("publication")}].add(row);
  }
  for (Found& found : tables) {
    for (const Publication& publication : publications) {
      const auto known = coverage.find({found.oid, publication.name});
      if (known == coverage.end() || !found.table.is_publishable) {
        continue;
      }
      if (auto as = known->second.published(publication, found.table, version)) {
        found.table.published.push_back(std::move(*as));
      }
    }
  }
}

}  // namespace

std::vector<Publication> find_publications(Connection& connection, const std::vector<std::string>& names) {
  std::vector<Publication> publications;
  for (const Row row : connection.query(kPublications, {array_text(names)})) {
    Publication& publication = publications.emplace_back();
    publication.name = row.text("name");
    publication.all_tables = row.flag("all_tables");
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
  find_published(connection, found, publications);
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
                  version.has_publication_filters() ? kListed : kNever);
  std::vector<Found> found = find_tables(connection, tree, Json::array());
  find_published(connection, found, publications);
  std::vector<PublishedTable> tables;
  for (Found& each : found) {
    const auto& published = each.table.published;
    if (!std::ranges::all_of(published, &PublishedAs::may_publish_updates)) {
      tables.push_back(std::move(each.table));
    }
  }
  return tables;
}

}  // namespace tap::pg
