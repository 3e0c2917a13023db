// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <tap/pg/catalog/table_name.hpp>
#include <tap/pg/connection.hpp>
#include <tap/pgtypes/type_row.hpp>

namespace tap::pg {

/// The values of pg_class.relkind (manual: System Catalogs, pg_class) that a stream can have.
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
  bool not_null = false;    ///< also true of rows that are older than the constraint
  int key_position = 0;     ///< position in the primary key, from 1; 0: not part of it
  bool is_readable = true;  ///< the role may select it; set by find_relations() only
  bool is_virtual = false;  ///< virtual generated column (18+): its values are not in WAL
  // Set by find_relations() only:
  int number = 0;     ///< attnum
  Oid collation = 0;  ///< 0 if the type has none
};

/// A storage unit of a relation: the table itself, a partition or a child table.
struct Partition {
  Oid oid = 0;
  std::string name;               ///< quoted and qualified
  bool has_ctid = false;          ///< a copy can resume at a ctid
  Oid relfilenode = 0;            ///< changes when the table is rewritten; 0 for none
  std::string virtual_columns{};  ///< names and expressions of its virtual generated columns
  // Set by lock_relation(), after the snapshot was taken, so that all of its rows are in these blocks:
  std::uint64_t blocks = 0;
  std::uint64_t bytes = 0;  ///< with the TOAST table
};

/// A table, view or foreign table as of one snapshot of the catalog.
struct Relation {
  Oid oid = 0;
  RelationKind kind = RelationKind::table;
  std::vector<TableColumn> columns;  ///< all columns, readable or not
  TypeRows types;                    ///< the types of the columns, with their base and element types
  /// In the order of their OIDs: the table itself unless it is partitioned, and its partitions or children.
  std::vector<Partition> partitions;
  std::uint64_t rows = 0;  ///< estimate of the last ANALYZE or VACUUM; 0 if there is none
  /// The role may read each partition directly and sees the same rows there as through the parent.
  bool reads_each_partition = true;
  bool has_row_security = false;  ///< policies apply to the role, which may call any function
};

/// Throws the StreamError of a missing table.
[[noreturn]] void refuse_missing_table(const Connection& connection, const TableName& table);

/// Locks everything that a query for these columns of `from` reads, until the transaction ends. `from` is the
/// table's name, quoted and qualified, perhaps with an alias; `condition` is for its rows, empty for all.
/// Missing columns are ignored. `relation` must be of the transaction's snapshot. Returns false if a locked
/// table differs from the snapshot: a table that was created or rewritten later looks empty to the snapshot.
/// Unless it `waits`, it fails if a lock is not granted at once. Throws ServerError, TransientError.
bool lock_relation(Connection& connection, Relation& relation, const std::string& from,
                   const std::vector<std::string>& columns, bool waits, const std::string& condition = "");
/// The size of the files of all partitions of a locked relation, with TOAST.
std::uint64_t total_bytes(const Relation& relation);
/// True if a name does not exist: it was dropped or renamed, or a view is broken.
bool is_missing_name(const ServerError& error);

/// Returns what `look_up` returns, called in one snapshot of the catalog so that its queries agree. The
/// connection must not be in a transaction. After an error of the server the connection is usable.
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

/// Looks up tables with a few queries in the connection's current transaction, see in_one_snapshot(). Nothing
/// for a missing table.
std::vector<std::optional<Relation>> find_relations(Connection& connection,
                                                    const std::vector<TableName>& tables);
/// The same for one table. Throws StreamError if it is missing.
Relation find_relation(Connection& connection, const TableName& table);

}  // namespace tap::pg
