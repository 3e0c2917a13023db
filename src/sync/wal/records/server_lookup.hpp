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

/// Looks up the table of a stream before its changes are read, and warns of partitions that differ from those
/// in its bookmark. `connection` must not be in a transaction. Throws StreamError if the table does not exist
/// or its changes are not in WAL, and what Connection::query() does.
WalTable find_wal_table(pg::Connection& connection, const StreamPlan& plan, const Json& bookmark);

}  // namespace tap::sync
