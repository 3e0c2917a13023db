// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <tap/pg/catalog/catalog_session.hpp>
#include <tap/pg/connection.hpp>
#include <tap/pgtypes/type_row.hpp>

namespace tap::pg {

/// What pg_class.relkind says.
enum class RelationKind : char {
  table = 'r',
  view = 'v',
  materialized_view = 'm',
  partitioned = 'p',
  foreign = 'f'
};

/// A column as pg_attribute has it.
struct TableColumn {
  std::string name;
  Oid type = 0;
  std::int32_t modifier = -1;
  std::string type_name;    ///< the type's display_name: "character varying", "integer[]"
  bool not_null = false;    ///< and no row that was there before breaks it
  int key_position = 0;     ///< its place in the primary key from 1; 0 if it is not part of it
  bool is_virtual = false;  ///< generated when it is read (18): its values are not in WAL
  int number = 0;           ///< attnum; 0 where a query did not ask for it
};

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

/// A table's file of rows: the table itself, or one partition of a partitioned or inherited one.
struct Partition {
  Oid oid = 0;
  std::string name;       ///< quoted and qualified
  bool has_ctid = false;  ///< rows have a place that a copy can resume at
  Oid relfilenode = 0;    ///< changes when the table is rewritten; 0 for none
};

/// One table as it is now, with what reading it takes.
struct Relation {
  Oid oid = 0;
  RelationKind kind = RelationKind::table;
  std::vector<TableColumn> columns;  ///< all of them, readable or not
  TypeRows types;                    ///< what the columns are made of
  std::vector<Partition>
      partitions;          ///< by OID; more than one, or another than itself, for partitions and heirs
  std::uint64_t rows = 0;  ///< about, as of the last ANALYZE or VACUUM; 0 if nobody knows
  bool reads_each_partition =
      true;  ///< the user may read each partition by itself, and sees the same rows there
};

/// Begins a transaction in which a table is read: with our settings, in one snapshot, with the table and its
/// partitions locked, so that until its end they are what the answer says. Waits for those who are about to
/// change them, and then takes a new snapshot: the old one would show none of the rows that they have left.
/// `columns` are those to be read; of these, what is not there does not matter. `snapshot`, unless it is
/// empty, gives the name of an exported snapshot to use, or "", each time one is needed. Throws StreamError
/// if the table is not there, ServerError, TransientError.
Relation open_relation(Connection& connection, const std::string& schema, const std::string& table,
                       const std::vector<std::string>& columns,
                       const std::function<std::string()>& snapshot = {});

/// Throws the StreamError of a table that is not there.
[[noreturn]] void refuse_missing_table(const Connection& connection, const std::string& schema,
                                       const std::string& table);

/// Runs `look_up` in one snapshot of the catalog, so that DDL cannot come between its queries. The connection
/// must not be in a transaction.
template <class LookUp>
auto in_one_snapshot(Connection& connection, LookUp look_up) {
  connection.pin_settings(true, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; ");
  try {
    auto found = look_up();
    connection.execute("COMMIT");
    return found;
  } catch (const StreamError&) {
    connection.execute("ROLLBACK");
    throw;
  } catch (const ServerError&) {
    connection.execute("ROLLBACK");
    throw;
  }
}

/// Looks a table up in the connection's current transaction: several queries, see in_one_snapshot(). Throws
/// StreamError if it is not there.
Relation find_relation(Connection& connection, const std::string& schema, const std::string& table);

}  // namespace tap::pg
