// SPDX-License-Identifier: Apache-2.0
#include "conninfo.hpp"

#include <cstdlib>

namespace tap::pg {

namespace {

constexpr const char* kConnectTimeout = "30";

}  // namespace

std::string conninfo(const Server& server, const std::string& database) {
  auto keywords = server.keywords;
  if (!database.empty()) {
    keywords["dbname"] = database;
  }
  keywords.emplace("client_encoding", "UTF8");
  keywords.emplace("connect_timeout", kConnectTimeout);
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

long connect_timeout_seconds(const Server& server) {
  const auto set = server.keywords.find("connect_timeout");
  return std::strtol(set == server.keywords.end() ? kConnectTimeout : set->second.c_str(), nullptr, 10);
}

Server for_replication(Server server) {
  server.keywords["replication"] = "database";
  return server;
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
