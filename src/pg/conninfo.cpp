// SPDX-License-Identifier: Apache-2.0
#include "conninfo.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <vector>

#include <tap/base/split.hpp>

namespace tap::pg {

namespace {

constexpr const char* kConnectTimeout = "30";

/// One of libpq's lists, each with as many parts as there are hosts; empty if it is not given.
std::vector<std::string> list_of(const Server& server, std::string_view keyword) {
  const auto set = server.keywords.find(keyword);
  const std::string text = set == server.keywords.end() ? connection_default(keyword) : set->second;
  const std::vector<std::string_view> parts = split(text);
  return text.empty() ? std::vector<std::string>() : std::vector<std::string>(parts.begin(), parts.end());
}

}  // namespace

std::string conninfo(const Server& server, const std::string& database) {
  auto keywords = server.keywords;
  if (!database.empty()) {
    keywords["dbname"] = database;
  }
  keywords.emplace("client_encoding", "UTF8");
  keywords.emplace("connect_timeout", kConnectTimeout);
  keywords.emplace("fallback_application_name", "tap-postgres " TAP_VERSION);
  // A network that swallows everything is noticed in two minutes.
  keywords.emplace("keepalives_idle", "60");
  keywords.emplace("keepalives_interval", "10");
  keywords.emplace("keepalives_count", "6");
  keywords.emplace("tcp_user_timeout", "120000");
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

std::optional<Server> without_host(const Server& server, std::string_view host, std::string_view port) {
  const auto hosts = list_of(server, "host");
  const auto addresses = list_of(server, "hostaddr");
  const auto ports = list_of(server, "port");
  const std::size_t count = std::max(hosts.size(), addresses.size());
  const auto part = [](const std::vector<std::string>& list, std::size_t i) {
    return i < list.size() ? list[i] : "";
  };
  const auto is_meant = [&](std::size_t i) {
    const std::string name = part(hosts, i).empty() ? part(addresses, i) : part(hosts, i);
    const std::string its_port = part(ports, ports.size() == 1 ? 0 : i);  // one is for all
    return name == host && (its_port.empty() || its_port == port);
  };
  std::size_t meant = 0;
  while (meant < count && !is_meant(meant)) {
    ++meant;
  }
  if (count < 2 || meant == count) {
    return std::nullopt;
  }
  Server others = server;
  for (const auto& [keyword, list] : {std::pair("host", hosts), {"hostaddr", addresses}, {"port", ports}}) {
    if (list.size() != count) {
      continue;
    }
    std::string left;
    const char* comma = "";
    for (std::size_t i = 0; i < count; ++i) {
      if (i != meant) {
        left += comma + list[i];
        comma = ",";
      }
    }
    others.keywords[keyword] = left;
  }
  return others;
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
