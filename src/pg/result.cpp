// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>
#include <limits>

#include <spdlog/fmt/fmt.h>

#include <tap/base/error.hpp>
#include <tap/base/json.hpp>
#include <tap/pg/result.hpp>

namespace tap::pg {

std::size_t Result::column(std::string_view name) const {
  const auto found = std::find(columns_.begin(), columns_.end(), name);
  if (found == columns_.end()) {
    throw MalformedAnswer(fmt::format("a catalog query has no column \"{}\"", name));
  }
  return static_cast<std::size_t>(found - columns_.begin());
}

void Result::throw_no_cell() {
  throw MalformedAnswer("the server's answer to a catalog query is malformed: a value is missing");
}

void Result::throw_malformed(std::size_t row, std::size_t column, std::string_view expected) const {
  throw MalformedAnswer(fmt::format(
      "the server's answer to a catalog query is malformed: \"{}\" is {}, not {}", columns_[column],
      is_null(row, column) ? "NULL" : fmt::format("'{}'", cell(row, column)), expected));
}

std::int64_t Result::number(std::size_t row, std::size_t column) const {
  const std::string_view text = cell(row, column);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.data() != nullptr && (error != std::errc() || end != text.data() + text.size())) {
    throw_malformed(row, column, "a number");
  }
  return value;
}

Oid Result::oid(std::size_t row, std::size_t column) const {
  const std::int64_t value = number(row, column);
  if (value < 0 || value > std::numeric_limits<Oid>::max()) {
    throw_malformed(row, column, "an OID");
  }
  return static_cast<Oid>(value);
}

std::size_t Result::index(std::size_t row, std::size_t column, std::size_t count) const {
  const std::int64_t position = number(row, column);
  if (position < 1 || static_cast<std::uint64_t>(position) > count) {
    throw_malformed(row, column, fmt::format("a number from 1 to {}", count));
  }
  return static_cast<std::size_t>(position) - 1;
}

std::vector<std::string> Result::text_list(std::size_t row, std::size_t column) const {
  const std::string_view text = cell(row, column);
  try {
    const Json list = parse_json(text, columns_[column]);
    if (list.is_array() &&
        std::all_of(list.begin(), list.end(), [](const Json& name) { return name.is_string(); })) {
      return list.get<std::vector<std::string>>();
    }
  } catch (const Error&) {  // not JSON
  }
  throw_malformed(row, column, "a JSON array of strings");
}

char Result::character(std::size_t row, std::size_t column) const {
  const std::string_view text = cell(row, column);
  if (text.size() != 1) {
    throw_malformed(row, column, "one character");
  }
  return text.front();
}

}  // namespace tap::pg
