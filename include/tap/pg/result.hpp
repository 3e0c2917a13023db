// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <tap/pgtypes/type_row.hpp>

namespace tap::pg {

/// The answer to a small query, as text. Holds the whole answer; views into it live as long as a copy of it.
/// A cell that is not there, or is not what its reader says it is, is a MalformedAnswer: the
/// server may be anything.
class Result {
 public:
  /// `cells` are row by row and point into what `owner` keeps alive; a NULL has no data().
  Result(std::shared_ptr<const void> owner, std::vector<std::string> columns,
         std::vector<std::string_view> cells)
      : owner_(std::move(owner)), columns_(std::move(columns)), cells_(std::move(cells)) {}

  [[nodiscard]] std::size_t size() const { return columns_.empty() ? 0 : cells_.size() / columns_.size(); }

  /// The position of a column, by the name the query gave it. Look it up once, before the rows.
  [[nodiscard]] std::size_t column(std::string_view name) const;

  [[nodiscard]] bool is_null(std::size_t row, std::size_t column) const {
    return cell(row, column).data() == nullptr;
  }
  [[nodiscard]] std::string_view view(std::size_t row, std::size_t column) const { return cell(row, column); }
  [[nodiscard]] std::string text(std::size_t row, std::size_t column) const {
    return std::string(cell(row, column));
  }
  /// The one character of a value of type "char".
  [[nodiscard]] char character(std::size_t row, std::size_t column) const;
  [[nodiscard]] bool flag(std::size_t row, std::size_t column) const { return cell(row, column) == "t"; }
  [[nodiscard]] std::int64_t number(std::size_t row, std::size_t column) const;  ///< 0 for NULL
  [[nodiscard]] Oid oid(std::size_t row, std::size_t column) const;              ///< 0 for NULL
  /// A number from 1 to `count`, less 1: the index of what a query was given at that position.
  [[nodiscard]] std::size_t index(std::size_t row, std::size_t column, std::size_t count) const;

  /// The strings of a JSON array.
  [[nodiscard]] std::vector<std::string> text_list(std::size_t row, std::size_t column) const;

 private:
  [[noreturn]] static void throw_no_cell();
  [[noreturn]] void throw_malformed(std::size_t row, std::size_t column, std::string_view expected) const;

  [[nodiscard]] std::string_view cell(std::size_t row, std::size_t column) const {
    const std::size_t at = row * columns_.size() + column;
    if (column >= columns_.size() || at >= cells_.size()) {
      throw_no_cell();
    }
    return cells_[at];
  }

  std::shared_ptr<const void> owner_;
  std::vector<std::string> columns_;
  std::vector<std::string_view> cells_;
};

}  // namespace tap::pg
