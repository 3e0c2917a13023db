// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include <tap/pg/catalog/relation.hpp>

namespace tap::sync {

/// The enum or composite type that values of the type consist of; null if there is none.
const TypeRow* type_with_parts(const TypeRows& types, Oid type);

/// By the names of columns: on what the JSON of their stored values depends, besides the values. ALTER TABLE
/// and ALTER TYPE can change that without writing a row. Texts to be stored and compared.
using ColumnDefinitions = std::map<std::string, std::string>;

/// The definitions of the columns in `numbers`, by name. Those of a row filter contain the collations, too.
ColumnDefinitions column_definitions(const pg::Relation& relation, const std::map<std::string, int>& numbers,
                                     bool has_row_filter);

/// How a column differs from its earlier definition, for a log message; empty if rows of both can be mixed.
/// Columns without an earlier definition are not compared.
std::string describe_definition_change(const ColumnDefinitions& before, const pg::Relation& relation,
                                       bool has_row_filter);

/// By the OIDs of partitions: the expressions of their virtual generated columns, shortened. Empty unless one
/// of the columns in `numbers` is such a column.
std::map<Oid, std::string> virtual_expressions(const pg::Relation& relation,
                                               const std::map<std::string, int>& numbers);

}  // namespace tap::sync
