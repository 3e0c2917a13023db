// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include <tap/change/change.hpp>

#include "commit_visibility.hpp"
#include "table_lookup.hpp"
#include "txid_snapshot.hpp"
#include "wal_stream.hpp"

namespace tap::sync {

/// Finds the streams that a change belongs to. A change names a table or partition; the user may have
/// selected a partition, tables that it is a partition of, or both.
class Router {
 public:
  /// Both references must outlive this object; the streams must not move.
  Router(std::deque<WalStream>& streams, CommitVisibility& visibility);

  using Streams = std::vector<WalStream*>;

  /// The streams that the change's table belongs to; mostly one, empty for a table that is not selected.
  /// Looks up unknown tables, since a partition may have been attached meanwhile. The reference is valid
  /// until the next call. Throws what TableLookup does.
  const Streams& find(TableLookup& lookup, const change::Change& change);

  /// The tables that the server should send, in the form of wal2json's option add-tables. Empty means all
  /// tables: new partitions cannot be named in advance.
  [[nodiscard]] std::string tables_to_send() const { return any_partitions_ ? "" : known_tables(); }
  /// In the same form, the tables of the streams and their partitions as known.
  [[nodiscard]] std::string known_tables() const;
  [[nodiscard]] bool has_partitions() const { return any_partitions_; }

 private:
  /// A table that belonged to no stream when it was looked up. It may become a partition of one later.
  struct UnselectedTable {
    TxidSnapshot looked_up_in;
    Lsn wal_end;  ///< at that time; for changes without a transaction ID

    /// True if the change was made before the lookup, so that its answer applies to the change.
    [[nodiscard]] bool covers(const change::Change& change) const;
  };

  void look_up(TableLookup& lookup, const change::Change& change);
  void warn_of_dropped_partition(const change::Change& change) const;

  CommitVisibility& visibility_;
  std::map<pg::TableName, Streams> by_table_;
  std::map<pg::TableName, UnselectedTable> unselected_;
  bool any_partitions_ = false;
  // The table of the last change, which is often that of the next, and what is known of it.
  pg::TableName table_;
  const Streams* streams_ = nullptr;
  const UnselectedTable* unselected_table_ = nullptr;
};

}  // namespace tap::sync
