// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include <tap/change/change.hpp>

#include "commit_visibility.hpp"
#include "txid_snapshot.hpp"
#include "wal_stream.hpp"

namespace tap::sync {

/// Whose a change is: the log names tables and partitions, the user has selected tables and roots.
class Router {
 public:
  Router(std::deque<WalStream>& streams, CommitVisibility& visibility);

  using Streams = std::vector<WalStream*>;

  /// The streams that the change's table belongs to: a partition may be one itself besides being a part of
  /// others. One that was attached while we read is looked up.
  const Streams& find(pg::Connection& connection, const change::Change& change);

  /// The tables that the server should send, as wal2json's add-tables; empty for all: the partitions of a
  /// table cannot be known beforehand.
  [[nodiscard]] std::string tables_to_send() const { return any_partitions_ ? "" : known_tables(); }
  /// In the same form: the streams' tables and the partitions that they have now.
  [[nodiscard]] std::string known_tables() const;
  [[nodiscard]] bool has_partitions() const { return any_partitions_; }

 private:
  void look_up(pg::Connection& connection, const change::Change& change);
  void warn_of_lost_partition(const change::Change& change);

  CommitVisibility& visibility_;
  std::map<pg::TableName, Streams> by_table_;
  bool any_partitions_ = false;
  /// Tables that belonged to no stream, and the transactions for whose changes this holds. They may become a
  /// partition later.
  struct Unrouted {
    TxidSnapshot seen;
    Lsn written;  ///< takes the place of `seen` for changes without a transaction number
    [[nodiscard]] bool holds_for(const change::Change& change) const;
  };
  std::map<pg::TableName, Unrouted> unrouted_tables_;
  pg::TableName table_;  ///< of the last change, since the next is often of the same; and what is known of it
  const Streams* streams_ = nullptr;
  const Unrouted* current_unrouted_ = nullptr;
};

}  // namespace tap::sync
