// SPDX-License-Identifier: Apache-2.0
#include "publication_coverage.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <tap/pg/quote.hpp>

#include "inheritance.hpp"

namespace tap::pg {

namespace {

using Names = std::vector<std::string>;

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
  0 AS schema_oid, NULL AS row_filter, NULL AS filter_columns, NULL AS column_list
)sql";

constexpr const char* kWithFilters = R"sql(
       coalesce((SELECT s.oid
                   FROM pg_catalog.pg_publication_namespace s
                  WHERE s.pnpubid = p.oid AND s.pnnspid = c.relnamespace), 0) AS schema_oid,
       pg_catalog.pg_get_expr(r.prqual, r.prrelid) AS row_filter,
       CASE WHEN r.prqual IS NOT NULL
            THEN pg_catalog.to_json(ARRAY(SELECT a.attname::text
                                            FROM pg_catalog.pg_attribute a
                                           WHERE a.attrelid = r.prrelid
                                             AND a.attnum IN (SELECT found.number[1]::smallint
                                                                FROM pg_catalog.regexp_matches(
                                                                  r.prqual::pg_catalog.text,
                                                                  ':varattno ([0-9]+)', 'g') found(number))
                                           ORDER BY a.attnum))
       END AS filter_columns,
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
    if (!row.is_null("filter_columns")) {
      level.filter_columns = row.text_list("filter_columns");
    }
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
    if (!publication.all_tables) {
      as.filter_columns = listed->filter_columns;
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
    as.may_have_own_name = may_have_own_name(publication, table);
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
    Names filter_columns;
    std::optional<Names> column_list;
  };

  [[nodiscard]] bool may_have_own_name(const Publication& publication, const PublishedTable& table) const {
    const Level& own = levels_.front();
    const bool is_root_restricted = std::any_of(levels_.begin() + 1, levels_.end(), [](const Level& level) {
      return !level.row_filter.empty() || level.column_list;
    });
    const bool allows_updates = !publication.needs_identity() ||
                                (contains_all(table.identity, own.filter_columns) &&
                                 (!own.column_list || contains_all(*own.column_list, table.identity)));
    return !is_root_restricted && allows_updates;
  }

  static bool allows_updates(const PublishedAs& as, const PublishedTable& table, ServerVersion version) {
    const bool is_checked = as.has_column_list || version.publishes_generated_columns();
    return !table.identity.empty() && (!is_checked || contains_all(as.columns, table.identity)) &&
           contains_all(table.identity, as.filter_columns);
  }

  std::vector<Level> levels_;
  Oid publication_oid_ = 0;
};

}  // namespace

void find_published(Connection& connection, const std::vector<PublishedTable*>& tables,
                    const std::vector<Publication>& publications) {
  if (publications.empty() || tables.empty()) {
    return;
  }
  std::vector<Oid> oids;
  oids.reserve(tables.size());
  std::ranges::transform(tables, std::back_inserter(oids), &PublishedTable::oid);
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
  for (PublishedTable* const table : tables) {
    for (const Publication& publication : publications) {
      const auto known = coverage.find({table->oid, publication.name});
      if (known == coverage.end() || !table->is_publishable) {
        continue;
      }
      if (auto as = known->second.published(publication, *table, version)) {
        table->published.push_back(std::move(*as));
      }
    }
  }
}

}  // namespace tap::pg
