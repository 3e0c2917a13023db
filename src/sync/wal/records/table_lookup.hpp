// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tap/pg/catalog/replica_identity.hpp>
#include <tap/pg/catalog/tables.hpp>
#include <tap/pg/result.hpp>
#include <tap/pgtypes/lsn.hpp>

#include "txid_snapshot.hpp"

namespace tap::sync {

/// Names a row of a table: columns and their values as text. Empty if the row cannot be read by a key.
using RowKey = std::vector<std::pair<std::string, std::string>>;

/// Rows of one table to read by their keys.
struct RowsByKey {
  pg::TableName table;
  const pg::Relation& relation;           ///< the table as last looked up: types of columns and keys
  std::vector<std::string_view> columns;  ///< to read
  std::vector<const RowKey*> keys;        ///< none of them empty
  std::size_t max_bytes;                  ///< a row with larger values comes without them
  std::string where{};                    ///< SQL: rows that do not meet it count as gone; empty: none
};

/// The rows that were found, in any order. Values are the text of the types' output functions.
class FetchedRows {
 public:
  /// A row of `result` has `key_number`, the position of its key counted from 1; `is_too_large`, a boolean;
  /// and the values, whose names do not matter. `keys` is the number of keys.
  FetchedRows(pg::Result result, std::size_t keys) : result_(std::move(result)), keys_(keys) {}

  [[nodiscard]] std::size_t size() const { return result_.size(); }
  /// Index in RowsByKey::keys. Throws MalformedAnswer if there is no such key.
  [[nodiscard]] std::size_t key(std::size_t row) const { return result_[row].index("key_number", keys_); }
  [[nodiscard]] bool is_too_large(std::size_t row) const { return result_[row].flag("is_too_large"); }
  /// `column` is an index in RowsByKey::columns. The view lives as long as this object. NULL has no data().
  [[nodiscard]] std::string_view value(std::size_t row, std::size_t column) const {
    return result_[row].view(column + 2);
  }

 private:
  pg::Result result_;
  std::size_t keys_;
};

/// What the server knows and a change does not say. Virtual so that unit tests turn changes into records
/// without a server: ServerLookup asks a server, tests/unit/fake_lookup.hpp answers from memory. Nothing is
/// looked up for an ordinary change. Lookups throw what pg::Connection::query() throws.
class TableLookup {
 public:
  TableLookup() = default;
  virtual ~TableLookup() = default;
  TableLookup(const TableLookup&) = delete;
  TableLookup& operator=(const TableLookup&) = delete;

  /// The table as it is now; nothing if it was dropped.
  virtual std::optional<pg::Relation> find_relation(const pg::TableName& table) = 0;
  /// The table, then its partitions and child tables as of now. Empty if the table was dropped.
  virtual std::vector<pg::ReplicaIdentity> with_partitions(const pg::TableName& table) = 0;
  /// The table, then the tables that it is a partition or child of, at any distance. Empty if it was dropped.
  virtual std::vector<pg::TableName> with_ancestors(const pg::TableName& table) = 0;
  /// Reads rows. Rows that are gone are missing in the answer.
  virtual FetchedRows read_rows(const RowsByKey& rows) = 0;

  /// The transactions that queries see now.
  virtual TxidSnapshot txid_snapshot() = 0;
  /// Where WAL ends now.
  virtual Lsn wal_end() = 0;
  /// True once queries see what these committed transactions have done. `xids` are decimal numbers.
  virtual bool are_visible(const std::vector<std::string>& xids) = 0;
};

}  // namespace tap::sync
