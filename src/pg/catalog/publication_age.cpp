// SPDX-License-Identifier: Apache-2.0
#include <spdlog/fmt/fmt.h>

#include <tap/pg/catalog/publication_age.hpp>
#include <tap/pg/quote.hpp>

namespace tap::pg {

namespace {

using Names = std::vector<std::string>;

// $1: publications, $2: slot. age() is larger for older transactions.
constexpr const char* kNewer = R"sql(
SELECT p.pubname AS name
  FROM pg_catalog.pg_publication p
  JOIN pg_catalog.pg_replication_slots s ON s.slot_name = $2
 WHERE p.pubname = ANY ($1::text[]) AND pg_catalog.age(p.xmin) <= pg_catalog.age(s.catalog_xmin)
 ORDER BY p.pubname
)sql";

// $1: publications. To be formatted with the condition below, or true.
constexpr const char* kEmpty = R"sql(
SELECT p.pubname AS name
  FROM pg_catalog.pg_publication p
 WHERE p.pubname = ANY ($1::text[]) AND NOT p.puballtables
   AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_publication_rel r WHERE r.prpubid = p.oid) AND {}
)sql";

constexpr const char* kHasNoSchemas = R"sql(
  NOT EXISTS (SELECT 1 FROM pg_catalog.pg_publication_namespace s WHERE s.pnpubid = p.oid)
)sql";

Names names_of(const Result& rows) {
  Names names;
  for (const Row row : rows) {
    names.push_back(row.text("name"));
  }
  return names;
}

}  // namespace

std::vector<std::string> empty_publications(Connection& connection,
                                            const std::vector<std::string>& publications) {
  const bool has_schemas = connection.version().has_publication_filters();
  return names_of(connection.query(fmt::format(kEmpty, has_schemas ? kHasNoSchemas : "true"),
                                   {array_text(publications)}));
}

std::vector<std::string> publications_newer_than_slot(Connection& connection,
                                                      const std::vector<std::string>& publications,
                                                      const std::string& slot) {
  return names_of(connection.query(kNewer, {array_text(publications), slot}));
}

}  // namespace tap::pg
