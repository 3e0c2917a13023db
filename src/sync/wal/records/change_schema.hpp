// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <deque>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <tap/base/buffer.hpp>
#include <tap/base/json.hpp>
#include <tap/change/change.hpp>
#include <tap/pg/catalog/tables.hpp>
#include <tap/sync/plan.hpp>
#include <tap/value/encoder.hpp>

namespace tap::sync {

/// A value in binary format has another type than its column, or a type without a binary encoder: WAL must be
/// read again from the last commit, with values as text. Not an Error, because the WAL reader does that.
class TextFormatRequired : public std::exception {
 public:
  [[nodiscard]] const char* what() const noexcept override { return "values must be read as text"; }
};

/// A column of a table whose changes are read.
struct ChangeColumn {
  std::string name;
  std::string json_key;  ///< `"name":`
  std::string type_name;
  Oid type_oid;
  value::Type type;
  bool is_synced = false;
  bool is_in_wal = true;            ///< false for a virtual generated column: a plugin writes NULL or nothing
  bool is_new = false;              ///< missing in the catalog
  bool is_bytea = false;            ///< wal2json leaves out the `\x`
  bool has_untyped_values = false;  ///< warned that some values do not fit the type
  value::Encoder encode;            ///< of text
  std::optional<value::Encoder> encode_binary;  ///< nothing if the type has no binary encoder
  Json schema;  ///< the JSON schema of a column that is new or has another type in the catalog; else null
};

/// The columns of a stream's table and how their values become JSON. The table may have been altered since it
/// was looked up, or since a change was written to WAL, so values and columns need not fit.
class ChangeSchema {
 public:
  /// Throws StreamError if the table lacks a key column.
  ChangeSchema(const StreamPlan& plan, const pg::Relation& relation, const config::Config& config);

  /// The column of that name, or null. `hint` is the index where it is likely to be; it is set to the index
  /// after the column. The pointer is valid as long as this object.
  ChangeColumn* find(std::string_view name, std::size_t& hint);
  [[nodiscard]] bool contains(const std::string& name) const { return by_name_.contains(name); }
  [[nodiscard]] std::deque<ChangeColumn>& columns() { return columns_; }
  [[nodiscard]] std::size_t synced_count() const { return synced_count_; }

  /// Appends `"name":value` for a value from WAL. Throws value::InvalidValue if the value does not fit the
  /// column's type, unless untyped values are accepted: the type was changed before or after the change.
  /// Throws TextFormatRequired if the value is binary and cannot be written.
  void append(ChangeColumn& column, const change::Field& field, Buffer& out);
  /// The same for a value that was read from the table; one that does not fit is written as text.
  void append_from_server(ChangeColumn& column, std::string_view value, Buffer& out);

  /// The text of a value that is not NULL, as the input function of its type reads it. Throws as append()
  /// does.
  [[nodiscard]] std::string key_text(const ChangeColumn& column, const change::Field& field) const;
  /// True if the values of all synced columns, and those of the columns `keys`, can be read in binary format.
  [[nodiscard]] bool reads_binary(const std::vector<std::string>& keys) const;

  /// From now on a value that does not fit its column's type is written as text. Warns once per column.
  void accept_untyped() { accepts_untyped_ = true; }
  [[nodiscard]] bool accepts_untyped() const { return accepts_untyped_; }

  /// The JSON schema of the stream's records; `catalog` is the stream's schema in the catalog.
  [[nodiscard]] Json record_schema(const Json& catalog, const config::Config& config) const;

 private:
  void append_text(ChangeColumn& column, std::string_view value, Buffer& out, bool accepts_untyped);
  void append_binary(const ChangeColumn& column, const change::Field& field, Buffer& out) const;

  std::string table_;
  value::EncodingOptions options_;
  std::deque<ChangeColumn> columns_;  // never resized: others point to columns and their names
  std::unordered_map<std::string_view, std::size_t> by_name_;
  std::size_t synced_count_ = 0;
  bool accepts_untyped_ = false;
  Buffer scratch_;
};

}  // namespace tap::sync
