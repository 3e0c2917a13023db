// SPDX-License-Identifier: Apache-2.0
#include "router.hpp"

#include <algorithm>

#include <spdlog/fmt/fmt.h>

#include <tap/base/log.hpp>
#include <tap/pg/catalog/slots.hpp>
#include <tap/pg/quote.hpp>

namespace tap::sync {

namespace {

/// A name in wal2json's add-tables, where blanks, commas, dots and stars mean something.
std::string escaped(const std::string& name) {
  std::string text;
  for (const char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '_' || static_cast<unsigned char>(c) >= 0x80;
    text += plain ? "" : "\\";
    text += c;
  }
  return text;
}

}  // namespace

Router::Router(std::deque<WalStream>& streams, CommitVisibility& visibility) : visibility_(visibility) {
  for (WalStream& stream : streams) {
    by_table_[stream.own_name()].push_back(&stream);
  }
  for (WalStream& stream : streams) {
    any_partitions_ = any_partitions_ || stream.has_partitions();
    for (const pg::ReplicaIdentity& table : stream.tables) {
      Streams& known = by_table_[table.name];
      if (std::ranges::find(known, &stream) == known.end()) {
        known.push_back(&stream);
      }
    }
  }
}

std::string Router::known_tables() const {
  std::string tables;
  for (const auto& [name, streams] : by_table_) {
    tables += fmt::format("{}{}.{}", tables.empty() ? "" : ",", escaped(name.schema), escaped(name.table));
  }
  return tables;
}

const Router::Streams& Router::find(pg::Connection& connection, const change::Change& change) {
  if (change.table != table_.table || change.schema != table_.schema) {
    table_ = {std::string(change.schema), std::string(change.table)};
    const auto known = by_table_.find(table_);
    const auto unrouted = unrouted_tables_.find(table_);
    streams_ = known == by_table_.end() ? nullptr : &known->second;
    current_unrouted_ = unrouted == unrouted_tables_.end() ? nullptr : &unrouted->second;
  }
  const bool is_known = streams_ != nullptr || !any_partitions_ ||
                        (current_unrouted_ != nullptr && current_unrouted_->holds_for(change));
  if (!is_known) {
    look_up(connection, change);
  }
  static const Streams none;
  return streams_ == nullptr ? none : *streams_;
}

/// The table is not there any more. What a partition of a selected table looks like may have been one.
void Router::warn_of_lost_partition(const change::Change& change) {
  for (const auto& [name, streams] : by_table_) {
    const WalStream& stream = *streams.front();
    const auto is_known = [&](const change::Field& field) {
      return std::ranges::find(stream.relation.columns, field.name, &pg::TableColumn::name) !=
             stream.relation.columns.end();
    };
    if (name == stream.own_name() && stream.has_partitions() &&
        std::ranges::all_of(change.columns, is_known) && std::ranges::all_of(change.identity, is_known)) {
      log::warn(
          "changes of {} are passed over, since there is no table of this name any more; if it was a part of "
          "{} and has been renamed or moved: --full-refresh {}",
          pg::quote_qualified(table_.schema, table_.table), stream.plan.stream.id, stream.plan.stream.id);
    }
  }
}

bool Router::Unrouted::holds_for(const change::Change& change) const {
  return change.xid.empty() ? change.commit_end <= written : seen.have(change.xid);
}

void Router::look_up(pg::Connection& connection, const change::Change& change) {
  visibility_.await_in_hand(connection);
  // A table that belongs to no stream now did so in each transaction that is over by now: the
  // rest of the log that had been written by now needs no other look.
  const pg::Result seen = connection.query("SELECT pg_catalog.txid_current_snapshot() AS seen");
  const Lsn written = change.xid.empty() ? pg::current_wal_lsn(connection) : Lsn();
  const std::vector<pg::TableName> ancestors = pg::with_ancestors(connection, table_);
  for (const pg::TableName& ancestor : ancestors) {
    if (const auto known = by_table_.find(ancestor); known != by_table_.end()) {
      streams_ = &(by_table_[table_] = known->second);
      return;
    }
  }
  if (ancestors.empty() && !unrouted_tables_.contains(table_)) {
    warn_of_lost_partition(change);
  }
  current_unrouted_ =
      &unrouted_tables_.insert_or_assign(table_, Unrouted{TxidSnapshot(seen.view(0, 0)), written})
           .first->second;
}

}  // namespace tap::sync
