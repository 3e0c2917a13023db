// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <spdlog/fmt/fmt.h>

#include <tap/base/text.hpp>
#include <tap/pg/quote.hpp>

#include "checks.hpp"

namespace tap::check {

namespace {

std::string setting(const pg::ConnectionSettings& server, std::string_view keyword) {
  const auto set = server.keywords.find(keyword);
  return set == server.keywords.end() ? pg::connection_default(keyword) : set->second;
}

/// Whether all hosts that the server may be at are this machine.
bool is_here(const pg::ConnectionSettings& server) {
  const std::string address = setting(server, "hostaddr");
  const std::string hosts = address.empty() ? setting(server, "host") : address;
  return std::ranges::all_of(split_at_commas(hosts), [](std::string_view host) {
    return host == "localhost" || host == "::1" || host.starts_with("127.");
  });
}

std::string sqlstate_of(const Error& error) {
  if (const auto* const refused = dynamic_cast<const pg::ConnectError*>(&error)) {
    return refused->sqlstate();
  }
  const auto* const lost = dynamic_cast<const pg::TransientError*>(&error);
  return lost == nullptr ? "" : lost->sqlstate();
}

/// Where the config says what nobody has answered at.
std::string place_keys(const config::Config& config) {
  std::string keys = "host and port";
  keys += config.secondary.used ? ", secondary_host and secondary_port" : "";
  keys += config.server.tunnel ? ", ssh_tunnel.host and ssh_tunnel.port" : "";
  return keys + " in the config";
}

}  // namespace

Problem cannot_enter(const Error& refusal, const std::string& database, const config::Config& config) {
  const std::string user = config.server.user();
  const std::string role = user.empty() ? "..." : pg::quote_identifier(user);
  const std::string name = database.empty() ? "..." : pg::quote_identifier(database);
  const std::string found = refusal.problem().found;
  const std::string sqlstate = sqlstate_of(refusal);
  const std::string kind = sqlstate.substr(0, 2);
  if (found.starts_with("password_command")) {
    return {found, "a command that prints the password and nothing else", "run it by hand, as the same user"};
  }
  if (sqlstate.empty()) {
    return {found, "a server that can be reached from here",
            place_keys(config) + "; at the server listen_addresses, firewall, security group"};
  }
  if (sqlstate == "28P01") {
    return {
        found, "the role's password, which has not expired",
        fmt::format(
            "password in the config; ALTER ROLE {0} PASSWORD '...' VALID UNTIL 'infinity'; for the tokens "
            "of Amazon RDS and Aurora GRANT rds_iam TO {0}",
            role)};
  }
  if (kind == "28") {
    return {
        found, "a role that may log in, and a server that lets it in from here",
        fmt::format(
            "CREATE ROLE {0} LOGIN PASSWORD '...', or ALTER ROLE {0} LOGIN; self-hosted: a line `host "
            "{1} {0} <this machine>/32 scram-sha-256` in pg_hba.conf, then SELECT pg_reload_conf(); "
            "Amazon RDS and Aurora: \"sslmode\": \"require\" in the config if rds.force_ssl is 1, and for "
            "a role with rds_iam a fresh token by password_command",
            role, name)};
  }
  if (sqlstate == "3D000") {
    return {found, "a database that is there", "dbname in the config, database-name in the catalog"};
  }
  if (sqlstate == "42501") {
    return {found, "the right to connect", fmt::format("GRANT CONNECT ON DATABASE {} TO {}", name, role)};
  }
  if (sqlstate == "55000") {
    return {found, "", fmt::format("ALTER DATABASE {} ALLOW_CONNECTIONS true", name)};
  }
  if (kind == "53") {
    return {found, "a free connection",
            fmt::format("ALTER ROLE {} CONNECTION LIMIT -1, ALTER DATABASE {} CONNECTION LIMIT -1, or raise "
                        "max_connections",
                        role, name)};
  }
  return {found, "wait until the server takes connections"};
}

// Of our own link: behind a pooler, the server knows the pooler's only.
void check_protection(const pg::Connection& connection, const pg::ConnectionSettings& server,
                      const std::string& subject, Report& report) {
  const std::string protection = connection.protection();
  if (protection.starts_with("by ")) {
    report.ok(subject, protection);
  } else if (!protection.starts_with("not encrypted")) {
    const std::string mode = setting(server, "sslmode");
    if (mode == "verify-full" || mode == "verify-ca") {
      report.ok(subject, protection + ", the server's certificate is verified");
    } else {
      report.note(subject, {protection + ", but anybody's certificate is taken for the server's", "verify it",
                            "\"sslmode\": \"verify-full\" and \"sslrootcert\" in the config"});
    }
  } else if (server.tunnel) {
    report.note(subject, {fmt::format("encrypted by the SSH tunnel as far as {}, and not from there on",
                                      server.tunnel->description()),
                          "TLS goes all the way", "\"sslmode\": \"require\" in the config"});
  } else if (is_here(server)) {
    report.ok(subject, "not encrypted, but it does not leave this machine");
  } else {
    report.warning(
        subject, {"the connection is not encrypted: the password's proof and all rows can be read on the way",
                  "let the server use TLS (ssl = on)", "\"sslmode\": \"require\" in the config"});
  }
}

}  // namespace tap::check
