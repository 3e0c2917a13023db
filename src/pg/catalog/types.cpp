// SPDX-License-Identifier: Apache-2.0
#include "types.hpp"

#include <set>
#include <string_view>

#include <spdlog/fmt/fmt.h>

namespace tap::pg {

std::string types_query(const std::string& seeds) {
  return fmt::format(R"sql(
WITH RECURSIVE used(type) AS (
  {}
  UNION
  SELECT part.type
    FROM used
    JOIN pg_catalog.pg_type t ON t.oid = used.type
   CROSS JOIN LATERAL (VALUES (t.typbasetype), (t.typelem)) part(type)
   WHERE part.type <> 0
)
SELECT t.oid AS oid, t.typname AS name, n.nspname AS schema_name, t.typtype AS kind, t.typcategory AS category, t.typbasetype AS base,
       t.typtypmod AS modifier, t.typelem AS element, t.typdelim AS delimiter,
       t.typinput = 'pg_catalog.array_in'::pg_catalog.regproc AS is_array,
       pg_catalog.format_type(t.oid, NULL) AS display_name,
       EXISTS (SELECT 1
                 FROM pg_catalog.pg_type builtin
                 JOIN pg_catalog.pg_namespace m ON m.oid = builtin.typnamespace
                WHERE m.nspname = 'pg_catalog' AND builtin.typname = t.typname AND n.nspname = 'public') AS is_hidden
  FROM pg_catalog.pg_type t
  JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
 WHERE t.oid IN (SELECT type FROM used)
)sql",
                     seeds);
}

TypeRows read_types(const Result& rows) {
  const auto oid = rows.column("oid");
  const auto name = rows.column("name");
  const auto schema_name = rows.column("schema_name");
  const auto kind = rows.column("kind");
  const auto category = rows.column("category");
  const auto base = rows.column("base");
  const auto modifier = rows.column("modifier");
  const auto element = rows.column("element");
  const auto delimiter = rows.column("delimiter");
  const auto is_array = rows.column("is_array");
  const auto display_name = rows.column("display_name");
  const auto is_hidden = rows.column("is_hidden");
  TypeRows types;
  std::set<Oid> hidden;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    TypeRow& type = types[rows.oid(row, oid)];
    type.display_name = rows.text(row, display_name);
    if (rows.flag(row, is_hidden)) {
      hidden.insert(rows.oid(row, oid));
    }
    type.name = rows.text(row, name);
    type.schema = rows.text(row, schema_name);
    type.kind = rows.character(row, kind);
    type.category = rows.character(row, category);
    type.base = rows.oid(row, base);
    type.modifier = static_cast<std::int32_t>(rows.number(row, modifier));
    type.element = rows.oid(row, element);
    type.delimiter = rows.character(row, delimiter);
    type.is_array = rows.flag(row, is_array);
  }
  // Our search path has the server qualify the types of `public`. Catalogs have them as a session with the
  // usual path prints them: qualified only if pg_catalog has another type of that name.
  constexpr std::string_view prefix = "public.";
  for (auto& [type, found] : types) {
    if (found.display_name.starts_with(prefix) && !hidden.contains(found.is_array ? found.element : type)) {
      found.display_name.erase(0, prefix.size());
    }
  }
  return types;
}

}  // namespace tap::pg
