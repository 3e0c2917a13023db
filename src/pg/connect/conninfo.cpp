// SPDX-License-Identifier: Apache-2.0
#include "conninfo.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <utility>
#include <vector>

#include <spdlog/fmt/fmt.h>

#include <tap/base/error.hpp>
#include <tap/base/text.hpp>
#include <tap/pg/errors.hpp>
#include <tap/ssh/tunnel.hpp>

namespace tap::pg {

namespace {

constexpr const char* kConnectTimeout = "30";
constexpr const char* kLoopback = "127.0.0.1";
constexpr std::uint16_t kDefaultPort = 5432;

/// Returns the parts of a keyword that may list a value for each host; empty if it is not set.
std::vector<std::string> list_of(const ConnectionSettings& server, std::string_view keyword) {
  const auto set = server.keywords.find(keyword);
  const std::string text = set == server.keywords.end() ? connection_default(keyword) : set->second;
  const std::vector<std::string_view> parts = split_at_commas(text);
  return text.empty() ? std::vector<std::string>() : std::vector<std::string>(parts.begin(), parts.end());
}

std::string part(const std::vector<std::string>& list, std::size_t i) {
  return i < list.size() ? list[i] : "";
}

std::uint16_t port_number(std::string_view text) {
  std::uint16_t port = kDefaultPort;
  std::from_chars(text.data(), text.data() + text.size(), port);
  return port;
}

/// The local port that leads to `endpoint`.
std::uint16_t local_port(ssh::Tunnel& tunnel, const Endpoint& endpoint, std::chrono::seconds timeout) {
  try {
    return tunnel.local_port(endpoint, timeout);
  } catch (const ssh::TunnelError& error) {
    if (error.is_transient()) {
      throw TransientError(ExitCode::cannot_connect, error.what());
    }
    throw;
  }
}

}  // namespace

std::string conninfo(const ConnectionSettings& server, const std::string& database) {
  auto keywords = server.keywords;
  if (!database.empty()) {
    keywords["dbname"] = database;
  }
  keywords.emplace("client_encoding", "UTF8");
  keywords.emplace("connect_timeout", std::to_string(connect_timeout_seconds(server)));
  keywords.emplace("fallback_application_name", "tap-postgres " TAP_VERSION);
  // Detects a network that drops everything within two minutes.
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

ConnectionSettings through_tunnel(ConnectionSettings server) {
  if (!server.tunnel) {
    return server;
  }
  const auto hosts = list_of(server, "host");
  const auto addresses = list_of(server, "hostaddr");
  const auto ports = list_of(server, "port");
  const std::chrono::seconds timeout(connect_timeout_seconds(server));
  std::string names;
  std::string local_addresses;
  std::string local_ports;
  const std::size_t count = std::max(hosts.size(), addresses.size());
  for (std::size_t i = 0; i < count; ++i) {
    const std::string address = part(addresses, i).empty() ? part(hosts, i) : part(addresses, i);
    if (address.empty() || address.front() == '/') {
      throw Error(ExitCode::usage, "ssh_tunnel requires a host name or an address, not a socket directory");
    }
    const std::string port = part(ports, ports.size() == 1 ? 0 : i);  // a single port applies to all
    const char* const comma = i == 0 ? "" : ",";
    names += comma + (part(hosts, i).empty() ? address : part(hosts, i));
    local_addresses += std::string(comma) + kLoopback;
    local_ports += comma + std::to_string(local_port(*server.tunnel, {address, port_number(port)}, timeout));
  }
  if (count == 0) {
    throw Error(ExitCode::usage,
                "ssh_tunnel needs host in the config or PGHOST: a service file is not enough");
  }
  server.keywords["host"] = names;
  server.keywords["hostaddr"] = local_addresses;
  server.keywords["port"] = local_ports;
  return server;
}

Endpoint original_endpoint(const ConnectionSettings& server, std::string_view host, std::string_view port) {
  const std::uint16_t number = port_number(port);
  const auto endpoint = server.tunnel ? server.tunnel->remote_endpoint(number) : std::nullopt;
  return {std::string(host), endpoint ? endpoint->port : number};
}

std::string restore_host_names(const ConnectionSettings& server, std::string message) {
  const std::string local_end = fmt::format("\"{}\", port ", kLoopback);
  for (auto at = message.find(local_end); server.tunnel && at != std::string::npos;
       at = message.find(local_end, at + 1)) {
    const std::size_t digits = at + local_end.size();
    const std::size_t end = message.find_first_not_of("0123456789", digits);
    if (const auto endpoint =
            server.tunnel->remote_endpoint(port_number(message.substr(digits, end - digits)))) {
      message.replace(at, end - at, fmt::format("\"{}\", port {}", endpoint->host, endpoint->port));
    }
  }
  return message;
}

long connect_timeout_seconds(const ConnectionSettings& server) {
  const auto set = server.keywords.find("connect_timeout");
  const std::string given =
      set != server.keywords.end() ? set->second : connection_default("connect_timeout");
  return std::strtol(given.empty() ? kConnectTimeout : given.c_str(), nullptr, 10);
}

ConnectionSettings primary_of(ConnectionSettings server) {
  const bool is_set =
      server.keywords.contains("target_session_attrs") || !connection_default("target_session_attrs").empty();
  if (!is_set && std::max(list_of(server, "host").size(), list_of(server, "hostaddr").size()) > 1) {
    server.keywords["target_session_attrs"] = "primary";
  }
  return server;
}

ConnectionSettings for_replication(ConnectionSettings server) {
  server.keywords["replication"] = "database";
  return primary_of(std::move(server));
}

std::optional<ConnectionSettings> without_host(const ConnectionSettings& server, std::string_view host,
                                               std::string_view port) {
  const auto hosts = list_of(server, "host");
  const auto addresses = list_of(server, "hostaddr");
  const auto ports = list_of(server, "port");
  const std::size_t count = std::max(hosts.size(), addresses.size());
  const auto is_removed = [&](std::size_t i) {
    const std::string name = part(hosts, i).empty() ? part(addresses, i) : part(hosts, i);
    const std::string its_port = part(ports, ports.size() == 1 ? 0 : i);  // a single port applies to all
    return name == host && (its_port.empty() || its_port == port);
  };
  std::size_t removed = 0;
  while (removed < count && !is_removed(removed)) {
    ++removed;
  }
  if (count < 2 || removed == count) {
    return std::nullopt;
  }
  ConnectionSettings others = server;
  for (const auto& [keyword, list] : {std::pair("host", hosts), {"hostaddr", addresses}, {"port", ports}}) {
    if (list.size() != count) {
      continue;
    }
    std::string left;
    const char* comma = "";
    for (std::size_t i = 0; i < count; ++i) {
      if (i != removed) {
        left += comma + list[i];
        comma = ",";
      }
    }
    others.keywords[keyword] = left;
  }
  return others;
}

}  // namespace tap::pg
