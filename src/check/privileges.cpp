// SPDX-License-Identifier: Apache-2.0
#include <spdlog/fmt/fmt.h>

#include <tap/pg/quote.hpp>

#include "checks.hpp"

namespace tap::check {

namespace {

// $1: schemas to search; empty for all. Partitions are read through their parent.
constexpr const char* kTables = R"sql(
WITH tables AS (
  SELECT n.nspname AS schema_name, c.relname AS table_name,
         pg_catalog.has_schema_privilege(n.oid, 'USAGE')
           AND pg_catalog.has_any_column_privilege(c.oid, 'SELECT') AS is_readable
    FROM pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
   WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f') AND c.relpersistence <> 't'
     AND NOT EXISTS (SELECT 1
                       FROM pg_catalog.pg_inherits i
                       JOIN pg_catalog.pg_class parent ON parent.oid = i.inhparent
                      WHERE i.inhrelid = c.oid AND parent.relkind = 'p')
     AND n.nspname NOT IN ('pg_toast', 'pg_catalog', 'information_schema')
     AND ($1::text[] = '{}' OR n.nspname = ANY ($1::text[]))
), hidden AS (
  SELECT schema_name, table_name FROM tables WHERE NOT is_readable
)
SELECT (SELECT count(*) FROM tables WHERE is_readable) AS readable,
       (SELECT count(*) FROM hidden) AS hidden,
       (SELECT pg_catalog.string_agg(pg_catalog.format('%I.%I', schema_name, table_name), ', ')
          FROM (SELECT * FROM hidden ORDER BY schema_name, table_name LIMIT 5) few) AS first_hidden,
       (SELECT pg_catalog.string_agg(
                 pg_catalog.format('GRANT USAGE ON SCHEMA %1$I TO %2$I; GRANT SELECT ON ALL TABLES IN SCHEMA %1$I TO %2$I',
                                   schema_name, current_user), '; ')
          FROM (SELECT DISTINCT schema_name FROM hidden ORDER BY schema_name LIMIT 5) few) AS grants
)sql";

}  // namespace

std::int64_t check_hidden_tables(pg::Connection& connection, const config::Config& config,
                                 const std::string& database, Report& report) {
  constexpr std::int64_t shown = 5;
  const std::string subject = "database " + database;
  std::int64_t readable = 0;
  report.read(connection, subject, [&] {
    const pg::Result rows = connection.query(kTables, {pg::array_text(config.filter_schemas)});
    const pg::Row row = rows.first();
    readable = row.number("readable");
    const std::int64_t hidden = row.number("hidden");
    if (hidden == 0) {
      report.ok(subject, fmt::format("all {} tables are readable", readable));
      return;
    }
    report.note(subject, {fmt::format("{} of {} tables are not readable: {}{}", hidden, hidden + readable,
                                      row.view("first_hidden"), hidden > shown ? ", ..." : ""),
                          "to sync them", row.text("grants")});
  });
  return readable;
}

}  // namespace tap::check
