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

/// Those of kWords that PostgreSQL does not take for a function's name when a parenthesis follows (manual:
/// SQL Key Words, "reserved" and "cannot be function or type").
constexpr auto kNotFunctions = std::to_array<std::string_view>(
    {"all",     "and",   "any",       "array", "as",        "asymmetric", "between",  "bigint",
     "boolean", "case",  "cast",      "char",  "character", "decimal",    "distinct", "else",
     "end",     "false", "float",     "from",  "in",        "int",        "integer",  "interval",
     "not",     "null",  "numeric",   "or",    "real",      "smallint",   "some",     "symmetric",
     "then",    "time",  "timestamp", "to",    "true",      "varchar",    "when",     "with"});

/// Words after which a name is that of a type or a collation.
constexpr std::array<std::string_view, 2> kBeforeTypes = {"as", "collate"};

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
  Scanner(std::string_view sql, std::string_view table, const std::vector<std::string>& columns)
      : rest_(sql), table_(table), columns_(columns) {}

  bool depends_only_on_row() {
    while (skip_blanks(), !rest_.empty()) {
      if (!take_token()) {
        return false;
      }
    }
    return true;
  }

 private:
  /// What the last token was, as far as the meaning of the next one depends on it.
  enum class Token { other, literal, name, table, dot, before_type };

  /// False if the token is not known to be harmless.
  bool take_token() {
    const char first = rest_.front();
    if (first == '\'') {
      return take_literal();
    }
    if (first == '"') {
      const auto name = take_quoted('"');
      return name && take_name(*name);
    }
    if (is_digit(first) || (first == '.' && rest_.size() > 1 && is_digit(rest_[1]))) {
      take_while([](char c) { return is_in_word(c) || c == '.'; });
      last_ = Token::other;
      return true;
    }
    if (is_in_word(first)) {
      return take_word();
    }
    return take_operator();
  }

  /// Literals with a line break between them are one. After a name a literal is a value of a type.
  bool take_literal() {
    const bool is_alone = last_ != Token::literal && last_ != Token::name && last_ != Token::table;
    const auto text = take_quoted('\'');
    last_ = Token::literal;
    return is_alone && text && is_constant(*text);
  }

  /// A column, or the table. `t.name` calls the function name(t) if there is no such column, and any other
  /// expression before the dot can have attributes that are not known here.
  bool take_name(std::string_view name) {
    const bool is_column = contains(columns_, name);
    const bool is_known = is_column || (name == table_ && last_ != Token::dot);
    const bool is_type = last_ == Token::before_type;
    last_ = name == table_ && last_ != Token::dot ? Token::table : Token::name;
    return is_known && !is_type && !is_called();
  }

  bool take_word() {
    const std::string word = in_lower_case(take_while(is_in_word));
    if (last_ == Token::dot || !contains(kWords, word)) {
      return (last_ == Token::dot || !contains(kNotNames, word)) && take_name(word);
    }
    last_ = word == table_ ? Token::table : contains(kBeforeTypes, word) ? Token::before_type : Token::other;
    return contains(kNotFunctions, word) || !is_called();
  }

  bool take_operator() {
    // Escapes, dollar quotes, parameters and nested comments need rules of their own. Texts that are joined
    // can be one of kSpecialTimes.
    const char first = rest_.front();
    if (last_ == Token::dot || first == '\\' || first == '$' || rest_.starts_with("/*") ||
        rest_.starts_with("||")) {
      return false;
    }
    const bool is_dot = first == '.';
    const bool is_cast = rest_.starts_with("::");
    const bool is_after_table = last_ == Token::table;
    rest_.remove_prefix(is_cast ? 2 : 1);
    last_ = is_dot ? Token::dot : is_cast ? Token::before_type : Token::other;
    return !is_dot || is_after_table;
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

  /// Blanks and comments.
  void skip_blanks() {
    while (!rest_.empty()) {
      take_while([](char c) { return std::string_view(" \t\n\r\f\v").find(c) != std::string_view::npos; });
      if (!rest_.starts_with("--")) {
        return;
      }
      take_while([](char c) { return c != '\n' && c != '\r'; });
    }
  }

  /// True if a parenthesis follows.
  bool is_called() {
    skip_blanks();
    return rest_.starts_with('(');
  }

  template <class Predicate>
  std::string_view take_while(Predicate is_part) {
    const auto end = std::ranges::find_if_not(rest_, is_part);
    const std::string_view taken = rest_.substr(0, static_cast<std::size_t>(end - rest_.begin()));
    rest_.remove_prefix(taken.size());
    return taken;
  }

  std::string_view rest_;
  std::string_view table_;
  const std::vector<std::string>& columns_;
  Token last_ = Token::other;
};

}  // namespace

bool depends_only_on_row(const std::vector<Condition>& conditions, const std::string& table,
                         const std::vector<std::string>& columns) {
  return std::ranges::all_of(conditions, [&](const Condition& condition) {
    return Scanner(condition.sql, table, columns).depends_only_on_row();
  });
}

}  // namespace tap::sync
