// SPDX-License-Identifier: Apache-2.0
#include "published_rows.hpp"

#include <algorithm>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

namespace tap::sync {

namespace {

/// The row filters that the server applies to one action of the table. It joins those of several publications
/// by OR; an empty one publishes all rows.
std::set<std::string> row_filters(const pg::PublishedTable& table, const PublicationFacts& facts,
                                  bool pg::Publication::*action) {
  std::set<std::string> filters;
  for (const pg::PublishedAs& as : table.published) {
    const pg::Publication* const publication = facts.find(as.publication);
    if (publication != nullptr && publication->*action) {
      filters.insert(as.row_filter);
    }
  }
  return filters.contains("") ? std::set<std::string>{""} : filters;
}

}  // namespace

std::optional<std::string> row_filter_of(const PublishedStream& stream, const PublicationFacts& facts) {
  std::set<std::string> all;
  for (const pg::PublishedTable& table : stream.tables) {
    for (const auto action :
         {&pg::Publication::inserts, &pg::Publication::updates, &pg::Publication::deletes}) {
      all.merge(row_filters(table, facts, action));
    }
    const bool is_of_partition = std::ranges::any_of(table.published, [&](const pg::PublishedAs& as) {
      return !as.row_filter.empty() && table.is_partition && as.table != stream.tables.front().name;
    });
    if (is_of_partition) {
      return std::nullopt;
    }
  }
  return all.empty()       ? std::optional<std::string>("")
         : all.size() == 1 ? std::optional(*all.begin())
                           : std::nullopt;
}

std::set<std::string> row_filter_columns(const PublishedStream& stream) {
  std::set<std::string> columns;
  for (const pg::PublishedTable& table : stream.tables) {
    for (const pg::PublishedAs& as : table.published) {
      columns.insert(as.filter_columns.begin(), as.filter_columns.end());
    }
  }
  return columns;
}

std::map<std::string, Condition> row_filters_of(const PublicationFacts& facts) {
  std::map<std::string, Condition> filters;
  for (const PublishedStream& stream : facts.streams) {
    const std::string filter = row_filter_of(stream, facts).value_or("");
    if (!filter.empty()) {
      filters[stream.id] = {filter, fmt::format("publications {}", fmt::join(facts.names, ", "))};
    }
  }
  return filters;
}

}  // namespace tap::sync
