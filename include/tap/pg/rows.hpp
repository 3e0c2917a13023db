// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <tap/base/type_row.hpp>

namespace tap::pg {

/// The answer to a small query, as text. Holds the whole answer; views into it live as long as a copy of it.
class Rows {
 public:
  /// `cells` are row by row and point into what `owner` keeps alive; a NULL has no data().
  Rows(std::shared_ptr<const void> owner, std::vector<std::string> columns,
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
  [[nodiscard]] bool flag(std::size_t row, std::size_t column) const { return cell(row, column) == "t"; }
  [[nodiscard]] std::int64_t number(std::size_t row, std::size_t column) const;  ///< 0 for NULL
  [[nodiscard]] Oid oid(std::size_t row, std::size_t column) const {
    return static_cast<Oid>(number(row, column));
  }

 private:
  [[nodiscard]] std::string_view cell(std::size_t row, std::size_t column) const {
    return cells_[row * columns_.size() + column];
  }

  std::shared_ptr<const void> owner_;
  std::vector<std::string> columns_;
  std::vector<std::string_view> cells_;
};

}  // namespace tap::pg
