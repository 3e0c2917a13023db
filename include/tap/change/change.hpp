// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

#include <tap/pgtypes/lsn.hpp>

namespace tap::change {

/// A column's value in a change: the text of its type's output function, except that wal2json writes booleans
/// as words and bytea without `\x`. NULL is a value whose data() is null.
struct Field {
  std::string_view name;
  std::string_view value;
};

/// One change read by logical decoding. Its views are valid until the decoder's next call of the sink.
struct Change {
  enum class Kind {
    begin,   ///< start of a transaction; `commit_end` and `commit_time` are set
    insert,  ///< `columns`: the new row
    update,  ///< `columns`: the new row without unchanged TOAST columns; `identity`: the old row
    remove,  ///< `identity`: the old row
    truncate,
    commit,
    other  ///< not about rows
  };

  Kind kind = Kind::other;
  std::string_view schema;
  std::string_view table;
  std::vector<Field> columns;
  std::vector<Field> identity;   ///< columns of the replica identity: the key, or with FULL the whole row
  Lsn commit_end;                ///< end of the transaction's commit record
  std::string_view commit_time;  ///< in the text format of timestamptz
  std::string_view xid;          ///< transaction ID
};

/// True for changes to the rows of a table; their `schema` and `table` are set.
constexpr bool is_row_change(Change::Kind kind) {
  return kind == Change::Kind::insert || kind == Change::Kind::update || kind == Change::Kind::remove ||
         kind == Change::Kind::truncate;
}

}  // namespace tap::change
