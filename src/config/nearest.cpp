// SPDX-License-Identifier: Apache-2.0
#include "nearest.hpp"

#include <algorithm>
#include <numeric>

namespace tap::config {

namespace {

/// The Levenshtein distance of two words.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
}

}  // namespace

std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& candidates,
                                   std::optional<std::size_t> limit) {
  const auto by_distance = [&](const std::string& a, const std::string& b) {
    return distance(word, a) < distance(word, b);
  };
  const auto best = std::min_element(candidates.begin(), candidates.end(), by_distance);
  if (best == candidates.end()) {
    return std::nullopt;
  }
  const std::size_t most = std::max<std::size_t>(2, 2 * std::max(word.size(), best->size()) / 5);
  return distance(word, *best) <= limit.value_or(most) ? std::optional(*best) : std::nullopt;
}

}  // namespace tap::config
