// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cctype>
#include <iterator>
#include <optional>
#include <string_view>

#include <spdlog/fmt/fmt.h>

#include <tap/base/log.hpp>
#include <tap/pg/quote.hpp>
#include <tap/pg/session_settings.hpp>
#include <tap/sync/plan.hpp>
#include <tap/sync/row_filter.hpp>

#include "config/nearest.hpp"

namespace tap::sync {

namespace {

/// The names by which a row filter may name a stream, the usual one first.
std::vector<std::string> names_of(const singer::Stream& stream) {
  return {fmt::format("{}.{}", stream.schema_name, stream.table),
          fmt::format("{}-{}", stream.schema_name, stream.table), stream.id};
}

bool is_named(const singer::Stream& stream, const std::string& name) {
  const std::vector<std::string> names = names_of(stream);
  return std::ranges::find(names, name) != names.end();
}

bool is_digit(unsigned char c) {
  return std::isdigit(c) != 0;
}

std::string in_lower_case(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

std::string without_digits(std::string text) {
  std::erase_if(text, is_digit);
  return text;
}

/// True if the name may be a mistaken name of the stream. Names that differ in digits only are taken for
/// those of different tables.
bool is_like(const std::string& name, const singer::Stream& stream) {
  constexpr std::size_t most_typos = 2;
  constexpr std::size_t letters_per_typo = 4;
  const std::string lower = in_lower_case(name);
  std::vector<std::string> names = names_of(stream);
  std::ranges::transform(names, names.begin(), in_lower_case);
  const std::size_t typos = std::min(most_typos, stream.table.size() / letters_per_typo);
  const auto near = config::nearest(lower, names, typos);
  return lower == in_lower_case(stream.table) || lower == in_lower_case(stream.name) ||
         (near && (lower == *near || without_digits(lower) != without_digits(*near)));
}

std::optional<UnusedRowFilter> unused(const config::Config& config, const config::RowFilter& filter,
                                      const singer::Catalog& catalog) {
  if (filter.stream.find('*') != std::string::npos) {
    return UnusedRowFilter{{fmt::format("{} has a wildcard, which row filters do not support", filter.place),
                            "give each table its own, as schema.table"},
                           true};
  }
  const auto has_filter = [&](const singer::Stream& stream) {
    return stream.where || std::ranges::any_of(config.where, [&](const config::RowFilter& other) {
             return is_named(stream, other.stream);
           });
  };
  const std::string found = fmt::format("{} names no stream of the catalog", filter.place);
  const auto meant = std::ranges::find_if(catalog.streams, [&](const singer::Stream& stream) {
    return stream.selected && !has_filter(stream) && is_like(filter.stream, stream);
  });
  if (meant == catalog.streams.end()) {
    return catalog.is_part
               ? std::nullopt
               : std::optional(UnusedRowFilter{
                     {found, "give it as schema.table, or as the stream's tap_stream_id"}, false});
  }
  const std::string name = names_of(*meant).front();
  if (catalog.is_part) {
    return UnusedRowFilter{{fmt::format("{} names no stream of this part of the catalog, but is like {}, all "
                                        "rows of which are sent",
                                        filter.place, name),
                            "correct it, unless another part has a stream of this name"},
                           false};
  }
  return UnusedRowFilter{
      {fmt::format("{}, but is like {}, all rows of which would be sent", found, name),
       fmt::format(R"(write "{0}", or add "{0}": [] to "where" if another table is meant)", name)},
      true};
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

std::vector<UnusedRowFilter> unused_row_filters(const config::Config& config,
                                                const singer::Catalog& catalog) {
  std::vector<UnusedRowFilter> filters;
  for (const config::RowFilter& filter : config.where) {
    const bool is_used = std::ranges::any_of(
        catalog.streams, [&](const auto& stream) { return is_named(stream, filter.stream); });
    if (const auto found = is_used ? std::nullopt : unused(config, filter, catalog)) {
      filters.push_back(*found);
    }
  }
  return filters;
}

void refuse_mistaken_row_filters(const config::Config& config, const singer::Catalog& catalog) {
  for (const UnusedRowFilter& filter : unused_row_filters(config, catalog)) {
    if (filter.is_error) {
      throw Error(ExitCode::usage, filter.problem);
    }
    log::warn("{}", to_text(filter.problem));
  }
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
