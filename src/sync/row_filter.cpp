// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cctype>
#include <iterator>
#include <string_view>

#include <spdlog/fmt/fmt.h>

#include <tap/pg/quote.hpp>
#include <tap/pg/session_settings.hpp>
#include <tap/sync/plan.hpp>
#include <tap/sync/row_filter.hpp>

namespace tap::sync {

namespace {

bool is_named(const singer::Stream& stream, const std::string& name) {
  return name == stream.id || name == fmt::format("{}.{}", stream.schema_name, stream.table) ||
         name == fmt::format("{}-{}", stream.schema_name, stream.table);
}

std::string in_parentheses(const std::string& condition) {
  return fmt::format("({}\n)", condition);
}

/// True if the SQL has this word, which is in lower case, outside longer names.
bool has_word(const std::string& sql, std::string_view word) {
  const auto is_same = [](unsigned char a, unsigned char b) { return std::tolower(a) == b; };
  const auto is_in_name = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_' || c >= 0x80; };
  auto found = std::search(sql.begin(), sql.end(), word.begin(), word.end(), is_same);
  while (found != sql.end()) {
    const auto end = found + static_cast<std::ptrdiff_t>(word.size());
    if ((found == sql.begin() || !is_in_name(static_cast<unsigned char>(*std::prev(found)))) &&
        (end == sql.end() || !is_in_name(static_cast<unsigned char>(*end)))) {
      return true;
    }
    found = std::search(end, sql.end(), word.begin(), word.end(), is_same);
  }
  return false;
}

}  // namespace

std::vector<Condition> row_filter(const config::Config& config, const singer::Stream& stream) {
  std::vector<Condition> conditions;
  if (stream.where) {
    for (const std::string& condition : *stream.where) {
      conditions.push_back({condition, R"("where" in the stream's metadata)"});
    }
    return conditions;
  }
  for (const config::RowFilter& filter : config.where) {
    if (is_named(stream, filter.stream)) {
      for (const std::string& condition : filter.conditions) {
        conditions.push_back({condition, filter.place});
      }
    }
  }
  return conditions;
}

std::vector<Problem> unused_row_filters(const config::Config& config,
                                        const std::vector<singer::Stream>& catalog) {
  std::vector<Problem> problems;
  for (const config::RowFilter& filter : config.where) {
    if (std::ranges::none_of(catalog, [&](const auto& stream) { return is_named(stream, filter.stream); })) {
      problems.push_back({fmt::format("{} names no stream of the catalog", filter.place),
                          "give it as schema.table, or as the stream's tap_stream_id"});
    }
  }
  return problems;
}

std::string to_sql(const std::vector<Condition>& conditions) {
  std::string sql;
  for (const Condition& condition : conditions) {
    sql += (sql.empty() ? "" : " AND ") + in_parentheses(condition.sql);
  }
  return sql;
}

bool has_subquery(const std::vector<Condition>& conditions) {
  return std::ranges::any_of(conditions, [](const Condition& condition) {
    return has_word(condition.sql, "select") || has_word(condition.sql, "table") ||
           has_word(condition.sql, "values");
  });
}

std::string from_item(const StreamPlan& stream, const std::string& table) {
  return stream.where.empty() ? table
                              : fmt::format("{} AS {}", table, pg::quote_identifier(stream.stream.table));
}

void require_valid_row_filter(pg::Connection& connection, const StreamPlan& stream) {
  if (stream.where.empty()) {
    return;
  }
  const std::string table =
      from_item(stream, pg::quote_qualified(stream.stream.schema_name, stream.stream.table));
  connection.execute(pg::set_search_path(pg::kTablePath, true));
  for (const Condition& condition : stream.where) {
    try {
      // As it is, and as it is used: in parentheses alone, `a) OR (b` would be accepted, too. The extended
      // query protocol refuses several statements.
      for (const std::string& sql : {condition.sql, in_parentheses(condition.sql)}) {
        connection.query(fmt::format("EXPLAIN SELECT 1 FROM {} WHERE {}", table, sql));
      }
    } catch (const pg::ServerError& error) {
      if (error.is_transient()) {
        throw;
      }
      throw StreamError(
          Problem{fmt::format("the server refuses the row filter ({}): {}", condition.place, error.what()),
                  "correct the SQL condition"});
    }
  }
  connection.execute(pg::set_search_path(pg::kCatalogPath, true));
}

}  // namespace tap::sync
