// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <tap/change/change.hpp>
#include <tap/pg/catalog/replica_identity.hpp>
#include <tap/pg/catalog/tables.hpp>
#include <tap/singer/writer.hpp>
#include <tap/sync/plan.hpp>

#include "change_schema.hpp"
#include "table_lookup.hpp"

namespace tap::sync {

/// The field of that name, or null.
inline const change::Field* find_field(const std::vector<change::Field>& fields, std::string_view name) {
  const auto field = std::ranges::find(fields, name, &change::Field::name);
  return field == fields.end() ? nullptr : &*field;
}

/// The table of a stream when reading WAL begins.
struct WalTable {
  pg::Relation relation;
  std::vector<pg::ReplicaIdentity> tables;  ///< the table, then its partitions and child tables
};

/// A stream whose changes are read from WAL.
struct WalStream {
  using Names = std::set<std::string, std::less<>>;

  /// `stream` must outlive this object; `state` is its bookmark. Throws StreamError if the table
  /// lacks a key column.
  WalStream(const StreamPlan& stream, WalTable table, const config::Config& config, const Json& state,
            const std::string& time_extracted);

  /// Looks the table up again, since a change does not fit the columns as known. True if the stream needs a
  /// new SCHEMA message. A dropped table keeps its columns. Throws what TableLookup does.
  bool look_up(TableLookup& lookup, const config::Config& config);
  /// Gives the stream, which must have a version, the next one: its earlier rows are gone.
  void start_new_version(const std::string& time_extracted);
  /// Sets the `sequence` of the next RECORD.
  void set_sequence(std::int64_t sequence);

  /// The table itself; a change may name one of its partitions instead.
  [[nodiscard]] pg::TableName table_name() const;
  /// True if changes of other tables (partitions, child tables) belong to the stream.
  [[nodiscard]] bool has_partitions() const;
  /// False if `field`, from the old row of `change`, may be NULL because WAL lacks its value. Where a
  /// publication publishes partitions as their partitioned table, that table's REPLICA IDENTITY FULL makes
  /// pgoutput send all columns, but WAL has those of the partition's replica identity only.
  [[nodiscard]] bool is_known(const change::Change& change, const change::Field& field) const;
  /// The key of a row, from the values in `fields` or else in `others`. Empty if WAL lacks a part of it.
  [[nodiscard]] RowKey row_key(const std::vector<change::Field>& fields,
                               const std::vector<change::Field>& others);

  /// Warns if the table is not the one with the OID `previous`.
  void warn_if_replaced(Oid previous) const;
  /// Warns, once per column, of columns that are not synced because the catalog lacks them.
  void warn_of_new_columns();
  /// Warns, once per stream and cause, that a record of `change` lacks these columns.
  void warn_of_left_out(const std::vector<ChangeColumn*>& left_out, const change::Change& change);
  /// Warns, once per stream, if the delete lacks a key column: the replica identity was another one then.
  void warn_of_delete_without_key(const change::Change& change);
  /// Warns of changes that WAL will not have, with the remedy.
  void warn_of_missing_changes(const std::set<pg::TableName>& without_updates) const;

  const StreamPlan& plan;
  Lsn bookmark;  ///< transactions whose commit ends at or below it have been sent
  std::optional<std::int64_t> version;
  pg::Relation relation;  ///< as last looked up
  Json partitions;        ///< as of the first lookup, see recorded_partitions.hpp
  ChangeSchema change_schema;
  Json schema;                              ///< of the last SCHEMA message
  singer::RecordFrame frame;                ///< of the next RECORD
  std::string frame_end;                    ///< frame.after without a sequence
  std::vector<pg::ReplicaIdentity> tables;  ///< the table, then its partitions and child tables
  std::vector<std::string> key_columns;     ///< what a row is read by; may be empty
  Names unknown_columns;                    ///< columns of changes that the table lacked when last looked up
  Names missing_columns;   ///< columns of the table that inserts lacked though it was looked up
  Names reported_columns;  ///< new columns that were warned of
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;        ///< of the RECORD lines
  bool keys_may_overlap = false;  ///< within a transaction, two rows may have the same key
  bool failed = false;
  bool has_warned_of_unchanged = false;  ///< of TOAST columns that are left out
  bool has_warned_of_virtual = false;    ///< of generated columns that are left out
  bool has_warned_of_key = false;        ///< of deletes without a key column
};

}  // namespace tap::sync
