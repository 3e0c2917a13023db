// SPDX-License-Identifier: Apache-2.0
#include "resumable_filter.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

namespace tap::sync {

namespace {

/// Key words and built-in types that do not read anything but the row.
constexpr auto kWords = std::to_array<std::string_view>(
    {"all",       "and",       "any",         "array",    "as",      "asymmetric", "at",       "between",
     "bigint",    "bool",      "boolean",     "bpchar",   "bytea",   "case",       "cast",     "char",
     "character", "cidr",      "collate",     "date",     "day",     "decimal",    "distinct", "double",
     "else",      "end",       "escape",      "false",    "float",   "float4",     "float8",   "from",
     "hour",      "ilike",     "in",          "inet",     "int",     "int2",       "int4",     "int8",
     "integer",   "interval",  "is",          "isnull",   "json",    "jsonb",      "like",     "macaddr",
     "minute",    "month",     "not",         "notnull",  "null",    "numeric",    "or",       "precision",
     "real",      "second",    "similar",     "smallint", "some",    "symmetric",  "text",     "then",
     "time",      "timestamp", "timestamptz", "timetz",   "to",      "true",       "unknown",  "uuid",
     "varchar",   "varying",   "when",        "with",     "without", "year",       "zone"});

/// Words that are not a column's name unless they are quoted.
constexpr auto kNotNames = std::to_array<std::string_view>(
    {"current_catalog", "current_date", "current_role", "current_schema", "current_time", "current_timestamp",
     "current_user", "localtime", "localtimestamp", "select", "session_user", "system_user", "table", "user",
     "values"});

/// Date and time input that depends on the clock (manual: Date/Time Types, Special Values).
constexpr std::array<std::string_view, 4> kSpecialTimes = {"now", "today", "tomorrow", "yesterday"};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

char to_lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool is_in_word(char c) {
  const char lower = to_lower(c);
  return is_digit(c) || c == '_' || (lower >= 'a' && lower <= 'z') || static_cast<signed char>(c) < 0;
}

std::string in_lower_case(std::string_view text) {
  std::string lower(text);
  std::ranges::transform(lower, lower.begin(), to_lower);
  return lower;
}

template <class Words>
bool contains(const Words& words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

class Scanner {
 public:
  Scanner(std::string_view sql, const std::vector<std::string>& names) : rest_(sql), names_(names) {}

  bool depends_only_on_row() {
    while (!rest_.empty()) {
      if (!take_token()) {
        return false;
      }
    }
    return true;
  }

 private:
  /// False if the token is not known to be harmless.
  bool take_token() {
    const char first = rest_.front();
    if (first == '\'') {
      const auto text = take_quoted('\'');
      return text && is_constant(*text);
    }
    if (first == '"') {
      const auto name = take_quoted('"');
      return name && contains(names_, *name) && !is_called();
    }
    if (is_digit(first)) {
      take_while([](char c) { return is_in_word(c) || c == '.'; });
      return true;
    }
    if (is_in_word(first)) {
      return take_word();
    }
    if (rest_.starts_with("--")) {
      take_while([](char c) { return c != '\n' && c != '\r'; });
      return true;
    }
    // Escapes, dollar quotes, parameters and nested comments need rules of their own.
    if (first == '\\' || first == '$' || rest_.starts_with("/*")) {
      return false;
    }
    rest_.remove_prefix(1);
    return true;
  }

  bool take_word() {
    const std::string word = in_lower_case(take_while(is_in_word));
    const bool is_column = contains(names_, word) && !contains(kNotNames, word);
    return contains(kWords, word) || (is_column && !is_called());
  }

  /// Removes a quoted text and returns it without its quotes; nothing if it has no end.
  std::optional<std::string> take_quoted(char quote) {
    std::string text;
    for (std::size_t i = 1; i < rest_.size(); ++i) {
      const bool is_doubled = rest_[i] == quote && i + 1 < rest_.size() && rest_[i + 1] == quote;
      if (rest_[i] == quote && !is_doubled) {
        rest_.remove_prefix(i + 1);
        return text;
      }
      text += rest_[i];
      i += is_doubled ? 1 : 0;
    }
    return std::nullopt;
  }

  static bool is_constant(std::string_view text) {
    const std::string lower = in_lower_case(text);
    return text.find('\\') == std::string_view::npos &&
           std::ranges::none_of(kSpecialTimes,
                                [&](std::string_view word) { return lower.find(word) != std::string::npos; });
  }

  /// True if a parenthesis follows, perhaps after a comment.
  [[nodiscard]] bool is_called() const {
    const auto next = rest_.find_first_not_of(" \t\n\r\f\v");
    return next != std::string_view::npos && (rest_[next] == '(' || rest_.substr(next).starts_with("--"));
  }

  template <class Predicate>
  std::string_view take_while(Predicate is_part) {
    const auto end = std::ranges::find_if_not(rest_, is_part);
    const std::string_view taken = rest_.substr(0, static_cast<std::size_t>(end - rest_.begin()));
    rest_.remove_prefix(taken.size());
    return taken;
  }

  std::string_view rest_;
  const std::vector<std::string>& names_;
};

}  // namespace

bool depends_only_on_row(const std::vector<Condition>& conditions, const std::vector<std::string>& names) {
  return std::ranges::all_of(conditions, [&](const Condition& condition) {
    return Scanner(condition.sql, names).depends_only_on_row();
  });
}

}  // namespace tap::sync
