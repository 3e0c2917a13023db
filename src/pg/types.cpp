// SPDX-License-Identifier: Apache-2.0
#include "types.hpp"

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
       t.typinput = 'pg_catalog.array_in'::pg_catalog.regproc AS is_array
  FROM pg_catalog.pg_type t
  JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
 WHERE t.oid IN (SELECT type FROM used)
)sql",
                     seeds);
}

TypeRows read_types(const Rows& rows) {
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
  TypeRows types;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    TypeRow& type = types[rows.oid(row, oid)];
    type.name = rows.text(row, name);
    type.schema = rows.text(row, schema_name);
    type.kind = rows.view(row, kind).front();
    type.category = rows.view(row, category).front();
    type.base = rows.oid(row, base);
    type.modifier = static_cast<std::int32_t>(rows.number(row, modifier));
    type.element = rows.oid(row, element);
    type.delimiter = rows.view(row, delimiter).front();
    type.is_array = rows.flag(row, is_array);
  }
  return types;
}

}  // namespace tap::pg
