// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tap/base/cursor.hpp>
#include <tap/base/json.hpp>
#include <tap/pg/catalog/tables.hpp>
#include <tap/sync/plan.hpp>
#include <tap/value/encoder.hpp>
#include <tap/value/options.hpp>

namespace tap::sync {

/// The format to select a column in: binary if its type has a binary encoder, else text.
value::Format choose_format(const value::Type& type);

/// The bytes of a field of a COPY row; nothing for NULL. `row` stands before the first field, `position`
/// counts from 0. Throws as Cursor does if the row is too short.
std::optional<std::string_view> nth_field(Cursor row, std::size_t position);

/// How the rows of a stream are selected and encoded: its synced columns in the order of a record, each with
/// its encoder. The wire format is that of COPY in binary (manual: COPY, Binary Format).
class RowProjection {
 public:
  /// Omits synced columns that the table no longer has, with a warning. Throws StreamError if one of them is
  /// a key column.
  RowProjection(const StreamPlan& stream, const pg::Relation& relation,
                const value::EncodingOptions& options);

  /// Returns the same projection for the use in another thread.
  [[nodiscard]] RowProjection for_another_thread() const;

  /// The SELECT list: `"id", "name"`.
  [[nodiscard]] const std::string& select_list() const { return select_list_; }
  /// The names of the columns, in order.
  [[nodiscard]] const std::vector<std::string>& columns() const { return columns_; }
  /// The JSON schemas of columns that the catalog does not know, by name.
  [[nodiscard]] const Json& new_properties() const { return new_properties_; }
  /// The position of a column from 0; the number of columns if none has this name.
  [[nodiscard]] std::size_t position(const std::string& column) const;

  /// Reads the field count that begins a COPY row. Throws StreamError unless it is the number of columns plus
  /// `more`.
  void take_field_count(Cursor& row, std::size_t more = 0) const {
    if (static_cast<std::size_t>(row.u16()) != fields_.size() + more) {
      throw_malformed_row();
    }
  }
  /// Appends all columns: `"id":1,"name":"x"`. `row` stands before the first of them. Throws StreamError if
  /// they are not the rest of the row.
  void append(Cursor& row, Buffer& out) const;
  /// Appends the column at `position` only: `"name":"x"`. `row` stands before the first field.
  void append_column(Cursor row, std::size_t position, Buffer& out) const;

 private:
  RowProjection() = default;
  [[noreturn]] void throw_malformed_row() const;

  struct Field {
    std::string key;  ///< `,"name":`
    value::Encoder encode;
  };

  std::string select_list_;
  std::vector<std::string> columns_;
  Json new_properties_ = Json::object();
  std::vector<Field> fields_;
};

}  // namespace tap::sync
