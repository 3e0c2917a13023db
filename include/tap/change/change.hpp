// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

#include <tap/pgtypes/lsn.hpp>

namespace tap::change {

/// A column's value in a change, as the text of its type's output function, but for what the plugin makes of
/// it: wal2json writes booleans as words and bytea without its `\x`. NULL has no data().
struct Field {
  std::string_view name;
  std::string_view value;
};

/// One event of the log, as a logical-decoding plugin tells it. Views are good until the next one.
struct Change {
  enum class Kind {
    begin,   ///< of a transaction; `commit_end` and `commit_time` are known already
    insert,  ///< `columns`: the new row
    update,  ///< `columns`: the new row without its unchanged TOAST values; `identity`: the old one
    remove,  ///< `identity`: the old row
    truncate,
    commit,
    other  ///< nothing about a row
  };

  Kind kind = Kind::other;
  std::string_view schema;
  std::string_view table;
  std::vector<Field> columns;
  std::vector<Field> identity;   ///< the columns of the replica identity: the key, or the whole row
  Lsn commit_end;                ///< where the transaction's commit record ends
  std::string_view commit_time;  ///< as timestamptz
  std::string_view xid;          ///< the transaction's number
};

/// Whether it is about rows of a table, which it names.
constexpr bool is_of_rows(Change::Kind kind) {
  return kind == Change::Kind::insert || kind == Change::Kind::update || kind == Change::Kind::remove ||
         kind == Change::Kind::truncate;
}

}  // namespace tap::change
