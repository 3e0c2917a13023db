// SPDX-License-Identifier: Apache-2.0
#include "types.hpp"

#include <set>
#include <string_view>

#include <spdlog/fmt/fmt.h>

namespace tap::pg {

namespace {

constexpr const char* kParts = R"sql(
       CASE t.typtype
         WHEN 'e' THEN (SELECT pg_catalog.string_agg(pg_catalog.encode(pg_catalog.textsend(e.enumlabel::pg_catalog.text), 'hex'), ',' ORDER BY e.oid)
                          FROM pg_catalog.pg_enum e
                         WHERE e.enumtypid = t.oid)
         WHEN 'c' THEN (SELECT pg_catalog.string_agg(a.attnum || ' ' || a.atttypid, ',' ORDER BY a.attnum)
                          FROM pg_catalog.pg_attribute a
                         WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped)
       END
)sql";

}  // namespace

std::string types_query(const std::string& seeds, bool with_parts) {
  return fmt::format(R"sql(
WITH RECURSIVE ranges AS (
  -- Before version 14, pg_range lacks the column rngmultitypid: then this is the constant.
  SELECT known.*
    FROM (SELECT 0::pg_catalog.oid AS rngmultitypid) no_multirange
   CROSS JOIN LATERAL (SELECT pg_catalog.unnest(ARRAY[rngtypid, rngmultitypid]) AS type, rngsubtype AS subtype
                         FROM pg_catalog.pg_range) known
), used(type) AS (
  {}
  UNION
  SELECT part.type
    FROM used
    JOIN pg_catalog.pg_type t ON t.oid = used.type
    LEFT JOIN ranges ON ranges.type = t.oid
   CROSS JOIN LATERAL (VALUES (t.typbasetype), (t.typelem), (ranges.subtype)) part(type)
   WHERE part.type <> 0
)
SELECT t.oid AS oid, t.typname AS name, n.nspname AS schema_name, t.typtype AS kind, t.typcategory AS category, t.typbasetype AS base,
       t.typtypmod AS modifier, t.typelem AS element, ranges.subtype AS subtype, t.typdelim AS delimiter,
       {} AS parts,
       t.typinput = 'pg_catalog.array_in'::pg_catalog.regproc AS is_array,
       pg_catalog.format_type(t.oid, NULL) AS display_name,
       pg_catalog.current_setting('server_version_num')::pg_catalog.int4 AS server_version,
       EXISTS (SELECT 1
                 FROM pg_catalog.pg_type builtin
                 JOIN pg_catalog.pg_namespace m ON m.oid = builtin.typnamespace
                WHERE m.nspname = 'pg_catalog' AND builtin.typname = t.typname AND n.nspname = 'public') AS is_hidden
  FROM pg_catalog.pg_type t
  JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
  LEFT JOIN ranges ON ranges.type = t.oid
 WHERE t.oid IN (SELECT type FROM used)
)sql",
                     seeds, with_parts ? kParts : "NULL");
}

TypeRows read_types(const Result& rows) {
  TypeRows types;
  std::set<Oid> hidden;
  for (const Row row : rows) {
    const Oid oid = row.oid("oid");
    TypeRow& type = types[oid];
    type.name = row.text("name");
    type.schema = row.text("schema_name");
    type.kind = row.character("kind");
    type.category = row.character("category");
    type.base = row.oid("base");
    type.modifier = static_cast<std::int32_t>(row.number("modifier"));
    type.element = row.oid("element");
    type.subtype = row.oid("subtype");
    type.parts = row.text("parts");
    type.delimiter = row.character("delimiter");
    type.is_array = row.flag("is_array");
    type.display_name = row.text("display_name");
    type.server_version = static_cast<int>(row.number("server_version"));
    if (row.flag("is_hidden")) {
      hidden.insert(oid);
    }
  }
  // With kCatalogPath the server qualifies the types of `public`. A Singer catalog has their names as a
  // session with the default path prints them: qualified only if pg_catalog has another type of that name.
  constexpr std::string_view prefix = "public.";
  for (auto& [type, found] : types) {
    if (found.display_name.starts_with(prefix) && !hidden.contains(found.is_array ? found.element : type)) {
      found.display_name.erase(0, prefix.size());
    }
  }
  return types;
}

}  // namespace tap::pg
