// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <tap/pg/catalog/replica_identity.hpp>
#include <tap/pg/connection.hpp>

namespace tap::pg {

/// A publication (manual: Logical Replication, Publication). Properties that an older server does not have
/// are as that server behaves.
struct Publication {
  std::string name;
  bool all_tables = false;
  bool has_schemas = false;  ///< publishes all tables of some schemas (15+)
  bool inserts = true;
  bool updates = true;
  bool deletes = true;
  bool truncates = true;           ///< true on PostgreSQL 10, which publishes no TRUNCATE
  bool via_root = false;           ///< changes of partitions have the name of the published root (13+)
  bool generated_columns = false;  ///< publishes stored generated columns (18+)

  /// True if it publishes what a table without replica identity cannot do: the server then refuses UPDATE
  /// and DELETE of such a table.
  [[nodiscard]] bool needs_identity() const { return updates || deletes; }
};

/// Returns the publications with these names, in the order of the names; missing ones are left out. Throws as
/// Connection::query() does.
std::vector<Publication> find_publications(Connection& connection, const std::vector<std::string>& names);

/// How one publication publishes the changes of a table.
struct PublishedAs {
  std::string publication;
  TableName table;                  ///< the name in the changes: the table's, or that of a partition root
  std::optional<TableName> member;  ///< what was added by name; nothing: its schema, or FOR ALL TABLES
  std::string row_filter;           ///< an SQL condition; empty: all rows (15+)
  /// The catalog's rows (OIDs) that include the table: of its name or schema in the publication, or of those
  /// of a partitioned table above it, or the publication FOR ALL TABLES. Removing a table from a publication
  /// and adding it again makes another row.
  std::vector<Oid> entries{};
  bool has_column_list = false;      ///< publishes only some columns (15+)
  std::vector<std::string> columns;  ///< the columns that the changes contain
  /// The publication publishes no updates and deletes, or the server still allows them: it refuses UPDATE and
  /// DELETE of a table without a replica identity, or with one that is not published entirely.
  bool allows_updates = true;
  /// The server would still allow them if the publication published updates.
  bool may_publish_updates = true;
  /// The columns of the row filter. The server refuses UPDATE and DELETE if one is not in the replica
  /// identity, even where a schema in the publication makes it publish all rows.
  std::vector<std::string> filter_columns{};
  /// The server would accept publish_via_partition_root = false, and still allow UPDATE and DELETE: it
  /// refuses row filters and column lists of partitioned tables then, and those of the partitions apply.
  bool may_have_own_name = true;
};

/// A table of a stream: the selected table itself, a partition or a child table.
struct PublishedTable {
  TableName name;
  Oid oid = 0;
  bool is_partitioned = false;  ///< has no rows of its own
  bool is_partition = false;
  bool has_children = false;    ///< by table inheritance, not as partitions
  bool is_publishable = false;  ///< false for unlogged, temporary and foreign tables

  bool has_primary_key = false;        ///< not a deferrable one; new partitions inherit only that
  bool is_full = false;                ///< REPLICA IDENTITY FULL
  std::vector<std::string> identity;   ///< the columns of the replica identity; all for FULL
  std::vector<std::string> columns;    ///< all columns
  std::vector<std::string> generated;  ///< the stored generated ones among them
  std::vector<std::string> virtuals;   ///< the virtual generated ones (18+)

  /// For a table with rows: through which publications its changes are sent. For a partitioned table: which
  /// publications will include partitions that are created later.
  std::vector<PublishedAs> published;
};

/// Returns for each table the table itself, first, and all its partitions and child tables, with what the
/// publications publish of them; nothing for a missing table. Throws as Connection::query() does.
std::vector<std::vector<PublishedTable>> published_tables(Connection& connection,
                                                          const std::vector<TableName>& tables,
                                                          const std::vector<Publication>& publications);

/// True if the server allows UPDATE and DELETE of the table after it has been added to a publication that
/// publishes them. `with_generated`: the publication publishes stored generated columns.
bool may_publish_updates(const PublishedTable& table, ServerVersion version, bool with_generated);

/// The tables of these publications for which the server refuses UPDATE and DELETE, or would refuse them if
/// the publications published updates: their replica identity is missing, not published, or lacks columns of
/// the row filter, also with publish_via_partition_root = false. And the partitioned tables whose new
/// partitions would have no replica identity. Throws as Connection::query() does.
std::vector<PublishedTable> unidentified_tables(Connection& connection,
                                                const std::vector<Publication>& publications);

}  // namespace tap::pg
