// SPDX-License-Identifier: Apache-2.0
#include "router.hpp"

#include <algorithm>

#include <spdlog/fmt/fmt.h>

#include <tap/base/log.hpp>
#include <tap/pg/quote.hpp>

namespace tap::sync {

namespace {

/// A name in wal2json's add-tables, where blanks, commas, dots and asterisks are special.
std::string escaped(const std::string& name) {
  std::string text;
  for (const char c : name) {
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                          c == '_' || static_cast<unsigned char>(c) >= 0x80;
    text += is_plain ? "" : "\\";
    text += c;
  }
  return text;
}

}  // namespace

Router::Router(std::deque<WalStream>& streams, CommitVisibility& visibility) : visibility_(visibility) {
  for (WalStream& stream : streams) {
    by_table_[stream.table_name()].push_back(&stream);
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

const Router::Streams& Router::find(TableLookup& lookup, const change::Change& change) {
  if (change.table != table_.table || change.schema != table_.schema) {
    table_ = {std::string(change.schema), std::string(change.table)};
    const auto known = by_table_.find(table_);
    const auto unselected = unselected_.find(table_);
    streams_ = known == by_table_.end() ? nullptr : &known->second;
    unselected_table_ = unselected == unselected_.end() ? nullptr : &unselected->second;
  }
  const bool is_known = streams_ != nullptr || !any_partitions_ ||
                        (unselected_table_ != nullptr && unselected_table_->covers(change));
  if (!is_known) {
    look_up(lookup, change);
  }
  static const Streams none;
  return streams_ == nullptr ? none : *streams_;
}

/// Finds the streams of a table that may have become a partition of theirs.
void Router::look_up(TableLookup& lookup, const change::Change& change) {
  visibility_.await_current(lookup);
  // A table that is not a partition now was not one in any transaction that has ended by now, so all WAL
  // written so far needs no other lookup. These two must come before the answer that they are about.
  TxidSnapshot snapshot = lookup.txid_snapshot();
  const Lsn wal_end = change.xid.empty() ? lookup.wal_end() : Lsn();
  const std::vector<pg::TableName> ancestors = lookup.with_ancestors(table_);
  for (const pg::TableName& ancestor : ancestors) {
    if (const auto known = by_table_.find(ancestor); known != by_table_.end()) {
      streams_ = &(by_table_[table_] = known->second);
      return;
    }
  }
  if (ancestors.empty() && !unselected_.contains(table_)) {
    warn_of_dropped_partition(change);
  }
  unselected_table_ =
      &unselected_.insert_or_assign(table_, UnselectedTable{std::move(snapshot), wal_end}).first->second;
}

/// For a table that no longer exists, and that may have been a partition: it has the columns of one.
void Router::warn_of_dropped_partition(const change::Change& change) const {
  for (const auto& [name, streams] : by_table_) {
    const WalStream& stream = *streams.front();
    const auto is_known = [&](const change::Field& field) {
      return std::ranges::find(stream.relation.columns, field.name, &pg::TableColumn::name) !=
             stream.relation.columns.end();
    };
    if (name == stream.table_name() && stream.has_partitions() &&
        std::ranges::all_of(change.columns, is_known) && std::ranges::all_of(change.identity, is_known)) {
      log::warn(
          "changes of {0} are skipped, since no table has this name now; if it was a partition of {1} that "
          "was "
          "renamed or moved, run once with --full-refresh {1}",
          pg::quote_qualified(table_.schema, table_.table), stream.plan.stream.id);
    }
  }
}

bool Router::UnselectedTable::covers(const change::Change& change) const {
  return change.xid.empty() ? change.commit_end <= wal_end : looked_up_in.contains(change.xid);
}

}  // namespace tap::sync
