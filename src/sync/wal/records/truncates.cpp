// SPDX-License-Identifier: Apache-2.0
#include "truncates.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include <tap/base/log.hpp>
#include <tap/pg/quote.hpp>

namespace tap::sync {

bool Truncates::add(TableLookup& lookup, const WalStream& stream, const change::Change& change, Lsn lsn) {
  truncates_.push_back({&stream, lsn, {std::string(change.schema), std::string(change.table)}});
  if (!stream.version || !has_emptied(lookup, stream, lsn)) {
    return false;
  }
  emptied_.insert_or_assign(&stream, lsn);
  return true;
}

/// WAL has all tables of one TRUNCATE command at the same position. Rows inserted between two commands must
/// stay, so that the tables of a stream must be truncated by one command. If that command names a partitioned
/// table itself, wal2json writes that table and its partitions, pgoutput one or the other.
bool Truncates::has_emptied(TableLookup& lookup, const WalStream& stream, Lsn lsn) const {
  if (const auto known = emptied_.find(&stream); known != emptied_.end() && known->second == lsn) {
    return false;  // by an earlier table of the same command
  }
  const bool is_one_table = stream.tables.front().is_partitioned || !stream.has_partitions();
  if (is_one_table && truncates_.back().table == stream.table_name()) {
    return true;
  }
  const auto is_truncated = [&](const pg::ReplicaIdentity& table) {
    return table.is_partitioned ||
           std::ranges::find(truncates_, Truncate{&stream, lsn, table.name}) != truncates_.end();
  };
  visibility_.await_current(lookup);
  const auto now = lookup.with_partitions(stream.table_name());  // partitions and child tables come and go
  return !now.empty() && std::ranges::all_of(now, is_truncated);
}

bool Truncates::end_transaction() {
  for (const auto& [stream, lsn, table] : truncates_) {
    if (!emptied_.contains(stream)) {
      log::warn(
          "{0}: {1} was truncated; its rows stay in the target, since Singer can only empty a whole stream: "
          "to "
          "remove them, run once with --full-refresh {0}",
          stream->plan.stream.id, pg::quote_qualified(table.schema, table.table));
    }
  }
  truncates_.clear();
  return !std::exchange(emptied_, {}).empty();
}

void Truncates::clear() {
  truncates_.clear();
  emptied_.clear();
}

}  // namespace tap::sync
