// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>

#include <spdlog/fmt/fmt.h>

#include <tap/base/error.hpp>
#include <tap/pg/rows.hpp>

namespace tap::pg {

std::size_t Rows::column(std::string_view name) const {
  const auto found = std::find(columns_.begin(), columns_.end(), name);
  if (found == columns_.end()) {
    throw Error(ExitCode::run_failed, fmt::format("a catalog query has no column \"{}\"", name));
  }
  return static_cast<std::size_t>(found - columns_.begin());
}

std::int64_t Rows::number(std::size_t row, std::size_t column) const {
  const std::string_view text = cell(row, column);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (!text.empty() && (error != std::errc() || end != text.data() + text.size())) {
    throw Error(ExitCode::run_failed,
                fmt::format("the server's \"{}\" is not a number: {}", columns_[column], text));
  }
  return value;
}

}  // namespace tap::pg
