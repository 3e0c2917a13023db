// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <tap/base/json.hpp>
#include <tap/change/change.hpp>
#include <tap/pg/catalog/tables.hpp>
#include <tap/sync/plan.hpp>
#include <tap/value/encoder.hpp>

namespace tap::sync {

/// A column of a table whose changes are read.
struct ChangeColumn {
  std::string name;
  std::string key;  ///< `"name":`
  std::string type_name;
  bool synced = false;
  bool in_wal = true;     ///< false for a virtual generated column: a plugin writes NULL or nothing
  bool is_new = false;    ///< the catalog does not know it
  bool is_bytea = false;  ///< wal2json leaves the `\x` out
  bool warned = false;    ///< that a value is not of the type
  value::Encoder encode;
  Json schema;  ///< of a column whose type the catalog does not have; else null
};

/// How the changes of a stream become records: the columns of its table as it was when it was last looked at.
/// The log may be older or newer than that.
class ChangeSchema {
 public:
  /// Throws StreamError if a key column is gone.
  ChangeSchema(const StreamPlan& plan, const pg::Relation& relation, const config::Config& config);

  /// The column of that name; `hint` is where it is likely to be, and is moved behind it. Null if it is not
  /// known.
  ChangeColumn* find(std::string_view name, std::size_t& hint);

  /// Appends `"name":value`. Throws value::Malformed for one that its column's type cannot have, since the
  /// type was another when it was written, or is another now.
  void append(ChangeColumn& column, std::string_view value, Buffer& out);
  /// From now on such values go as they are, as text, with one warning a column.
  void accept_untyped() { accepts_untyped_ = true; }
  /// The same, for a value that a query gave, which is as the type's output function has it.
  void append_from_server(ChangeColumn& column, std::string_view value, Buffer& out);

  [[nodiscard]] std::deque<ChangeColumn>& columns() { return columns_; }
  [[nodiscard]] std::size_t synced() const { return synced_; }
  /// The properties of the stream's SCHEMA: `catalog` is its schema there.
  [[nodiscard]] Json schema(const Json& catalog, const config::Config& config) const;

 private:
  void append(ChangeColumn& column, std::string_view value, Buffer& out, bool any);

  std::string table_;
  std::deque<ChangeColumn> columns_;  // an encoder does not move
  std::unordered_map<std::string_view, std::size_t> by_name_;
  std::size_t synced_ = 0;
  bool accepts_untyped_ = false;
  Buffer scratch_;
};

}  // namespace tap::sync
