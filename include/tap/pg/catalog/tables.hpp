// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <tap/pg/catalog/catalog_session.hpp>
#include <tap/pg/catalog/relation.hpp>
#include <tap/pg/connection.hpp>
#include <tap/pgtypes/type_row.hpp>

namespace tap::pg {

struct Table {
  std::string schema;
  std::string name;
  RelationKind kind = RelationKind::table;
  std::int64_t row_count = 0;  ///< the planner's estimate; 0 if the table was never analyzed
  std::vector<TableColumn> columns;
};

/// The databases of the cluster that allow connections, templates and rdsadmin left out, by name. A non-empty
/// `only` keeps those that it names.
std::vector<std::string> databases(CatalogSession& session, const std::vector<std::string>& only);

/// The tables, views and foreign tables of a database with the columns that the user may read, by schema and
/// name. Temporary and system tables are left out; a non-empty `schemas` keeps those of these schemas.
/// `types` are the database's column_types().
std::vector<Table> tables(CatalogSession& session, const std::vector<std::string>& schemas,
                          const TypeRows& types);

/// The types of all columns in the database, and what they are made of.
TypeRows column_types(CatalogSession& session);
/// These types and what they are made of.
TypeRows types_of(Connection& connection, const std::vector<Oid>& types);

}  // namespace tap::pg
