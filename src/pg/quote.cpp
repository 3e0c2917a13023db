// SPDX-License-Identifier: Apache-2.0
#include <tap/pg/quote.hpp>

namespace tap::pg {

namespace {

/// Returns `text` between two `mark`s, with each character of `doubled` written twice.
std::string between(char mark, std::string_view text, std::string_view doubled) {
  std::string quoted(1, mark);
  for (const char c : text) {
    quoted += c;
    if (doubled.find(c) != std::string_view::npos) {
      quoted += c;
    }
  }
  return quoted + mark;
}

}  // namespace

std::string quote_identifier(std::string_view name) {
  return between('"', name, "\"");
}

std::string quote_qualified(std::string_view schema, std::string_view table) {
  return quote_identifier(schema) + '.' + quote_identifier(table);
}

std::string array_text(const std::vector<std::string>& elements) {
  std::string text = "{";
  for (const std::string& element : elements) {
    text += text.size() > 1 ? "," : "";
    text += '"';
    for (const char c : element) {
      text += c == '"' || c == '\\' ? "\\" : "";
      text += c;
    }
    text += '"';
  }
  return text + "}";
}

std::string without_literals(std::string_view sql) {
  std::string text;
  char mark = 0;  // the kind of quotes that sql[i] is within
  for (std::size_t i = 0; i < sql.size(); ++i) {
    const char c = sql[i];
    if (mark == 0 || mark == '"') {
      text += c;
    }
    if (mark == 0 && (c == '\'' || c == '"')) {
      mark = c;
    } else if (mark == '\'' && c == '\\') {
      ++i;
    } else if (c == mark && mark != 0) {
      if (i + 1 < sql.size() && sql[i + 1] == mark) {
        ++i;
        text += mark == '"' ? "\"" : "";
      } else {
        text += mark == '\'' ? "?'" : "";
        mark = 0;
      }
    }
  }
  return text;
}

std::string quote_literal(std::string_view text) {
  const bool escapes = text.find('\\') != std::string_view::npos;
  return (escapes ? " E" : "") + between('\'', text, escapes ? "'\\" : "'");
}

}  // namespace tap::pg
