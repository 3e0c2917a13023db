// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

#include <tap/pgtypes/lsn.hpp>
#include <tap/pgtypes/oids.hpp>

namespace tap::change {

/// A column's value in a change. NULL is a value whose data() is null.
struct Field {
  enum class Format {
    wal2json,  ///< text, except that booleans are words and bytea lacks `\x`
    text,      ///< of the type's output function
    binary     ///< of the type's send function
  };

  std::string_view name;
  std::string_view value;
  Format format = Format::wal2json;
  Oid type = 0;  ///< the column's type when the change was written; 0 if the plugin does not send it
};

/// One change read by logical decoding. Its views are valid until the decoder's next call of the sink.
///
/// `commit_end`, `commit_time` and `xid` are set in each change of a transaction. At `commit`, `commit_end`
/// is the end of the commit record. Before, it is a position after the record's start and not after its end,
/// because not every plugin sends the end in advance.
struct Change {
  enum class Kind {
    begin,   ///< start of a transaction
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
  Lsn commit_end;                ///< a position in the transaction's commit record, or its end
  std::string_view commit_time;  ///< in the text format of timestamptz
  std::string_view xid;          ///< transaction ID
};

/// True for changes to the rows of a table; their `schema` and `table` are set.
constexpr bool is_row_change(Change::Kind kind) {
  return kind == Change::Kind::insert || kind == Change::Kind::update || kind == Change::Kind::remove ||
         kind == Change::Kind::truncate;
}

}  // namespace tap::change
