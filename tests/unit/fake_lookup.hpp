// SPDX-License-Identifier: Apache-2.0
// A server for tests of the WAL side: its tables are in memory, and it records the queries.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sync/wal/records/table_lookup.hpp"

namespace tap::sync {

/// Tables are in the schema public and are named without it.
class FakeLookup final : public TableLookup {
 public:
  /// A row's columns by name; nothing is NULL.
  using Row = std::map<std::string, std::optional<std::string>, std::less<>>;

  std::map<std::string, pg::Relation> relations;  ///< a table that is not here was dropped
  std::map<std::string, std::vector<pg::ReplicaIdentity>> partitions;
  std::map<std::string, std::vector<std::string>> parents;  ///< the table itself and its ancestors
  std::map<std::string, Row> rows;                          ///< by condition: "t: id=1"
  std::deque<pg::ServerError> read_errors;                  ///< of the next calls of read_rows()
  std::deque<pg::TransientError> relation_errors;           ///< of the next calls of find_relation()
  std::string snapshot = "100:100:";
  Lsn end;
  int polls_until_visible = 0;

  /// The queries since the last call of this function, one per element.
  std::vector<std::string> asked() { return std::exchange(asked_, {}); }

  std::optional<pg::Relation> find_relation(const pg::TableName& table) override {
    asked_.push_back("relation " + table.table);
    if (!relation_errors.empty()) {
      const pg::TransientError error = relation_errors.front();
      relation_errors.pop_front();
      throw error;
    }
    const auto found = relations.find(table.table);
    return found == relations.end() ? std::nullopt : std::optional(found->second);
  }

  std::vector<pg::ReplicaIdentity> with_partitions(const pg::TableName& table) override {
    asked_.push_back("partitions of " + table.table);
    return partitions[table.table];
  }

  std::vector<pg::TableName> with_ancestors(const pg::TableName& table) override {
    asked_.push_back("ancestors of " + table.table);
    std::vector<pg::TableName> names;
    for (const std::string& name : parents[table.table]) {
      names.push_back({"public", name});
    }
    return names;
  }

  FetchedRows read_rows(const RowsByKey& wanted) override {
    std::string columns;
    for (const std::string_view column : wanted.columns) {
      columns += columns.empty() ? "" : ",";
      columns += column;
    }
    const auto cells = std::make_shared<std::deque<std::string>>();
    std::vector<std::string_view> views;
    for (std::size_t i = 0; i < wanted.keys.size(); ++i) {
      std::string condition = wanted.table.table + ":";
      for (const auto& [name, value] : *wanted.keys[i]) {
        condition.append(" ").append(name).append("=").append(value);
      }
      asked_.push_back("read " + columns + " of " + condition);
      if (const auto row = rows.find(condition); row != rows.end() && read_errors.empty()) {
        append_row(wanted, i, row->second, *cells, views);
      }
    }
    if (!read_errors.empty()) {
      const pg::ServerError error = read_errors.front();
      read_errors.pop_front();
      throw error;
    }
    std::vector<std::string> names = {"key_number", "is_too_large"};
    names.resize(names.size() + wanted.columns.size());
    return {pg::Result(cells, std::move(names), std::move(views)), wanted.keys.size()};
  }

  TxidSnapshot txid_snapshot() override {
    asked_.push_back("snapshot");
    return TxidSnapshot(snapshot);
  }

  Lsn wal_end() override {
    asked_.push_back("WAL end");
    return end;
  }

  bool are_visible(const std::vector<std::string>& xids) override {
    std::string question = "visible";
    for (const std::string& xid : xids) {
      question += " " + xid;
    }
    asked_.push_back(question);
    return polls_until_visible-- <= 0;
  }

 private:
  static void append_row(const RowsByKey& wanted, std::size_t key, const Row& row,
                         std::deque<std::string>& cells, std::vector<std::string_view>& views) {
    std::size_t size = 0;
    for (const std::string_view column : wanted.columns) {
      size += row.find(column)->second.value_or("").size();
    }
    const bool is_too_large = size > wanted.max_bytes;
    views.push_back(cells.emplace_back(std::to_string(key + 1)));
    views.push_back(is_too_large ? "t" : "f");
    for (const std::string_view column : wanted.columns) {
      const auto& value = row.find(column)->second;
      views.push_back(value && !is_too_large ? cells.emplace_back(*value) : std::string_view());
    }
  }

  std::vector<std::string> asked_;
};

}  // namespace tap::sync
