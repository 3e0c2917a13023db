// SPDX-License-Identifier: Apache-2.0
#include "conninfo.hpp"

namespace tap::pg {

std::string conninfo(const Server& server, const std::string& database) {
  auto keywords = server.keywords;
  if (!database.empty()) {
    keywords["dbname"] = database;
  }
  keywords.emplace("client_encoding", "UTF8");
  keywords.emplace("connect_timeout", "30");
  std::string text;
  for (const auto& [keyword, value] : keywords) {
    text += keyword + "='";
    for (const char c : value) {
      if (c == '\'' || c == '\\') {
        text += '\\';
      }
      text += c;
    }
    text += "' ";
  }
  return text;
}

std::string one_line(std::string_view message) {
  std::string line;
  for (const char c : message) {
    const bool blank = c == '\n' || c == '\t' || c == ' ';
    if (!blank) {
      line += c;
    } else if (!line.empty() && line.back() != ' ') {
      line += ' ';
    }
  }
  while (!line.empty() && line.back() == ' ') {
    line.pop_back();
  }
  return line;
}

}  // namespace tap::pg
