// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <tap/pg/connection.hpp>

#include "table_lookup.hpp"
#include "wal_stream.hpp"

namespace tap::sync {

/// Looks tables up on a server.
class ServerLookup final : public TableLookup {
 public:
  /// `connection` must outlive this object and must not be in a transaction; its session settings are pinned.
  explicit ServerLookup(pg::Connection& connection) : connection_(connection) {}

  std::optional<pg::Relation> find_relation(const pg::TableName& table) override;
  std::vector<pg::ReplicaIdentity> with_partitions(const pg::TableName& table) override;
  std::vector<pg::TableName> with_ancestors(const pg::TableName& table) override;
  FetchedRows read_rows(const RowsByKey& rows) override;
  TxidSnapshot txid_snapshot() override;
  Lsn wal_end() override;
  bool are_visible(const std::vector<std::string>& xids) override;

 private:
  pg::Connection& connection_;
};

/// Looks up the tables of streams before their changes are read, with a few queries in one snapshot of the
/// catalog. Nothing for a missing table. `connection` must not be in a transaction. Throws what
/// Connection::query() does.
std::vector<std::optional<WalTable>> find_wal_tables(pg::Connection& connection,
                                                     const std::vector<pg::TableName>& names);

}  // namespace tap::sync
