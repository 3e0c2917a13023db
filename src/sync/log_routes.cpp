// SPDX-License-Identifier: Apache-2.0
#include "log_routes.hpp"

#include <spdlog/fmt/fmt.h>

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

LogRoutes::LogRoutes(std::deque<LogStream>& streams, UnseenCommits& unseen) : unseen_(unseen) {
  // A table may be a stream of its own besides being a part of another's: then its changes are its own.
  for (LogStream& stream : streams) {
    by_table_[stream.own_name()] = &stream;
  }
  for (LogStream& stream : streams) {
    any_partitions_ = any_partitions_ || stream.has_partitions();
    for (const pg::LoggedTable& table : stream.tables) {
      by_table_.emplace(table.name, &stream);
    }
  }
}

std::string LogRoutes::tables_to_send() const {
  std::string tables;
  if (!any_partitions_) {
    for (const auto& [name, stream] : by_table_) {
      tables += fmt::format("{}{}.{}", tables.empty() ? "" : ",", escaped(name.schema), escaped(name.table));
    }
  }
  return tables;
}

LogStream* LogRoutes::find(pg::Connection& connection, const change::Change& change) {
  if (last_stream_ != nullptr && change.table == last_table_.table && change.schema == last_table_.schema) {
    return last_stream_;
  }
  last_table_ = {std::string(change.schema), std::string(change.table)};
  const auto known = by_table_.find(last_table_);
  last_stream_ = known == by_table_.end() ? nullptr : known->second;
  if (last_stream_ != nullptr || !any_partitions_) {
    return last_stream_;
  }
  // What was nobody's at a time was so for the transactions that were committed before, too.
  const auto nobodys = nobodys_.find(last_table_);
  if (nobodys == nobodys_.end() || change.commit_time > nobodys->second) {
    last_stream_ = look_up(connection, last_table_);
  }
  return last_stream_;
}

LogStream* LogRoutes::look_up(pg::Connection& connection, const pg::TableName& table) {
  unseen_.await_in_hand(connection);
  // A transaction may have been stamped before now and not be visible yet: the answer holds for older ones.
  const pg::Rows now = connection.query("SELECT pg_catalog.clock_timestamp() - interval '1 minute' AS now");
  for (const pg::TableName& ancestor : pg::ancestors(connection, table)) {
    if (const auto known = by_table_.find(ancestor); known != by_table_.end()) {
      return by_table_[table] = known->second;
    }
  }
  nobodys_[table] = now.text(0, 0);
  return nullptr;
}

}  // namespace tap::sync
