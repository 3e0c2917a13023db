// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <tap/pg/catalog/catalog_session.hpp>
#include <tap/pg/catalog/relation.hpp>
#include <tap/pg/connection.hpp>
#include <tap/pgtypes/type_row.hpp>

namespace tap::pg {

/// A table, view or foreign table, with the columns that the role may read.
struct Table {
  std::string schema;
  std::string name;
  RelationKind kind = RelationKind::table;
  std::int64_t row_count = 0;  ///< the planner's estimate; 0 if the table was never analyzed
  std::vector<TableColumn> columns;
};

/// Returns the cluster's databases that allow connections, by name, without templates and rdsadmin. A
/// non-empty `only` limits them to these names.
std::vector<std::string> databases(CatalogSession& session, const std::vector<std::string>& only);

/// Calls `read` for each table, view and foreign table of a database, with the columns that the role may
/// read, by schema and name, without temporary and system tables. They come one by one because the catalog of
/// a large database does not fit into memory. A non-empty `schemas` limits them to these schemas. `types` are
/// the database's column_types().
void for_each_table(CatalogSession& session, const std::vector<std::string>& schemas, const TypeRows& types,
                    const std::function<void(const Table&)>& read);

/// Returns the types of all columns in the database, with their base types, element types and subtypes.
TypeRows column_types(CatalogSession& session);
/// Returns the rows of `types`, with their base types, element types and subtypes.
TypeRows types_of(Connection& connection, const std::vector<Oid>& types);

}  // namespace tap::pg
