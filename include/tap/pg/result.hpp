// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <tap/pgtypes/type_row.hpp>

namespace tap::pg {

class Row;

/// The rows of a small query, as text. Holds the whole result in memory. A Row is valid while its Result
/// exists, a view of a value while the Result or a copy of it exists.
///
///     for (const Row row : connection.query("SELECT datname AS name FROM pg_catalog.pg_database")) {
///       names.push_back(row.text("name"));
///     }
class Result {
 public:
  class Iterator;

  /// `cells` are row by row and point into what `owner` keeps alive; a NULL has no data().
  Result(std::shared_ptr<const void> owner, std::vector<std::string> columns,
         std::vector<std::string_view> cells)
      : owner_(std::move(owner)), columns_(std::move(columns)), cells_(std::move(cells)) {}

  [[nodiscard]] std::size_t size() const { return columns_.empty() ? 0 : cells_.size() / columns_.size(); }
  [[nodiscard]] bool is_empty() const { return size() == 0; }

  [[nodiscard]] Iterator begin() const;
  [[nodiscard]] Iterator end() const;
  [[nodiscard]] Row operator[](std::size_t row) const&;
  /// The row of a query that returns one. If there is none, reading its values throws.
  [[nodiscard]] Row first() const&;
  Row operator[](std::size_t row) const&& = delete;
  Row first() const&& = delete;

 private:
  friend class Row;

  // Row reads values with the following functions, which are documented there.
  [[nodiscard]] std::size_t column(std::string_view name) const;

  [[nodiscard]] bool is_null(std::size_t row, std::size_t column) const {
    return cell(row, column).data() == nullptr;
  }
  [[nodiscard]] char character(std::size_t row, std::size_t column) const;
  [[nodiscard]] std::int64_t number(std::size_t row, std::size_t column) const;
  [[nodiscard]] Oid oid(std::size_t row, std::size_t column) const;
  [[nodiscard]] std::size_t index(std::size_t row, std::size_t column, std::size_t count) const;
  [[nodiscard]] std::vector<std::string> text_list(std::size_t row, std::size_t column) const;

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

/// One row of a Result, which must outlive it. Columns are named as in the query.
///
/// The functions throw MalformedAnswer for a missing row or column and for a value of another form: the peer
/// may not be PostgreSQL. Reading columns in the order of the query is fastest.
class Row {
 public:
  [[nodiscard]] bool is_null(std::string_view column) const { return cell(find(column)).data() == nullptr; }
  [[nodiscard]] std::string_view view(std::string_view column) const { return cell(find(column)); }
  /// By position from 0, for queries whose columns have no names.
  [[nodiscard]] std::string_view view(std::size_t column) const { return cell(column); }
  [[nodiscard]] std::string text(std::string_view column) const { return std::string(view(column)); }
  /// A boolean; false for NULL.
  [[nodiscard]] bool flag(std::string_view column) const { return view(column) == "t"; }
  /// The one character of a value of type "char".
  [[nodiscard]] char character(std::string_view column) const {
    return result_.character(row_, find(column));
  }
  /// An integer of any size; 0 for NULL.
  [[nodiscard]] std::int64_t number(std::string_view column) const {
    return result_.number(row_, find(column));
  }
  /// 0 for NULL.
  [[nodiscard]] Oid oid(std::string_view column) const { return result_.oid(row_, find(column)); }
  /// A number from 1 to `count`, minus 1: the index in a list of `count` items that the query was given.
  [[nodiscard]] std::size_t index(std::string_view column, std::size_t count) const {
    return result_.index(row_, find(column), count);
  }
  /// The strings of a JSON array.
  [[nodiscard]] std::vector<std::string> text_list(std::string_view column) const {
    return result_.text_list(row_, find(column));
  }

 private:
  friend class Result;
  friend class Result::Iterator;

  Row(const Result& result, std::size_t row) : result_(result), row_(row) {}

  /// The position of a column. Tries the one after the last found first.
  [[nodiscard]] std::size_t find(std::string_view name) const {
    if (next_ >= result_.columns_.size() || result_.columns_[next_] != name) {
      next_ = result_.column(name);
    }
    return next_++;
  }
  [[nodiscard]] std::string_view cell(std::size_t column) const { return result_.cell(row_, column); }

  const Result& result_;
  std::size_t row_;
  mutable std::size_t next_ = 0;
};

class Result::Iterator {
 public:
  Iterator(const Result& result, std::size_t row) : result_(&result), row_(row) {}

  Row operator*() const { return {*result_, row_}; }
  Iterator& operator++() {
    ++row_;
    return *this;
  }
  bool operator==(const Iterator&) const = default;

 private:
  const Result* result_;
  std::size_t row_;
};

inline Result::Iterator Result::begin() const {
  return {*this, 0};
}

inline Result::Iterator Result::end() const {
  return {*this, size()};
}

inline Row Result::operator[](std::size_t row) const& {
  return {*this, row};
}

inline Row Result::first() const& {
  return {*this, 0};
}

}  // namespace tap::pg
