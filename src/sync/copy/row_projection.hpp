// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tap/base/cursor.hpp>
#include <tap/pg/catalog/tables.hpp>
#include <tap/sync/plan.hpp>
#include <tap/value/encoder.hpp>
#include <tap/value/options.hpp>

namespace tap::sync {

/// How a column's values are asked for: in binary where its type has an encoder for that.
value::Wire wire_of(const value::Type& type);

/// The bytes of a row's field, counted from 0; nothing for NULL. `row` stands before the first field.
std::optional<std::string_view> nth_field(Cursor row, std::size_t position);

/// How the rows of a stream are asked for and turned into records: its synced columns in the order of a
/// record, each with the encoder that its type calls for.
class RowProjection {
 public:
  /// A synced column that the table no longer has is left out with a warning; a key column that is gone is a
  /// StreamError.
  RowProjection(const StreamPlan& stream, const pg::Relation& relation,
                const value::EncodingOptions& options);

  /// The SELECT list: `"id", "name"`.
  [[nodiscard]] const std::string& select_list() const { return select_list_; }
  /// The names of the columns, in order.
  [[nodiscard]] const std::vector<std::string>& columns() const { return columns_; }
  /// The position of a column; the number of columns if there is none of this name.
  [[nodiscard]] std::size_t position(const std::string& column) const;

  /// Takes the number of fields off a COPY row. Throws StreamError unless it is that of the columns and
  /// `more` fields before them.
  void take_field_count(Cursor& row, std::size_t more = 0) const {
    if (static_cast<std::size_t>(row.u16()) != fields_.size() + more) {
      throw_malformed_row();
    }
  }
  /// Appends the columns of a row, read from the fields that the SELECT list asked for: `"id":1,"name":"x"`.
  /// Throws StreamError if they are not the rest of the row.
  void append(Cursor& row, Buffer& out) const;
  /// Appends the column at this position alone: `"name":"x"`. `row` stands before the first field.
  void append_column(Cursor row, std::size_t position, Buffer& out) const;

 private:
  [[noreturn]] void throw_malformed_row() const;

  struct Field {
    std::string key;  ///< `,"name":`
    value::Encoder encode;
  };

  std::string select_list_;
  std::vector<std::string> columns_;
  std::vector<Field> fields_;
};

}  // namespace tap::sync
