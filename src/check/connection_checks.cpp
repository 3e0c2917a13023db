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

/// True if all configured hosts are this machine.
bool is_local(const pg::ConnectionSettings& server) {
  const std::string address = setting(server, "hostaddr");
  const std::string hosts = address.empty() ? setting(server, "host") : address;
  return std::ranges::all_of(split_at_commas(hosts), [](std::string_view host) {
    return host == "localhost" || host == "::1" || host.starts_with("127.");
  });
}

/// The config keys that name the address of the server.
std::string address_keys(const config::Config& config) {
  std::string keys = "host and port";
  keys += config.secondary.used ? ", secondary_host and secondary_port" : "";
  keys += config.server.tunnel ? ", ssh_tunnel.host and ssh_tunnel.port" : "";
  return keys + " in the config";
}

}  // namespace

Problem connection_problem(const std::string& found, const std::string& sqlstate, const std::string& database,
                           const config::Config& config) {
  const std::string user = config.server.user();
  const std::string role = user.empty() ? "..." : pg::quote_identifier(user);
  const std::string name = database.empty() ? "..." : pg::quote_identifier(database);
  const std::string sqlstate_class = sqlstate.substr(0, 2);
  if (found.starts_with("password_command")) {
    return {found, "the command must print only the password", "run it in a shell as the same user"};
  }
  if (sqlstate.empty()) {
    return {found, "the server must be reachable from this machine",
            address_keys(config) + "; on the server listen_addresses, firewall, security group"};
  }
  if (sqlstate == "28P01") {
    return {
        found, "the role's current password",
        fmt::format(
            "password in the config; ALTER ROLE {0} PASSWORD '...' VALID UNTIL 'infinity'; for the tokens "
            "of Amazon RDS and Aurora GRANT rds_iam TO {0}",
            role)};
  }
  if (sqlstate_class == "28") {
    return {
        found, "a role with LOGIN, and a pg_hba.conf entry that accepts it from this machine",
        fmt::format(
            "CREATE ROLE {0} LOGIN PASSWORD '...', or ALTER ROLE {0} LOGIN; self-hosted: a line `host "
            "{1} {0} <this machine>/32 scram-sha-256` in pg_hba.conf, then SELECT pg_reload_conf(); "
            "Amazon RDS and Aurora: \"sslmode\": \"require\" in the config if rds.force_ssl is 1, and for "
            "a role with rds_iam a fresh token by password_command",
            role, name)};
  }
  if (sqlstate == "3D000") {
    return {found, "an existing database", "dbname in the config, database-name in the catalog"};
  }
  if (sqlstate == "42501") {
    return {found, "the CONNECT privilege", fmt::format("GRANT CONNECT ON DATABASE {} TO {}", name, role)};
  }
  if (sqlstate == "55000") {
    return {found, "", fmt::format("ALTER DATABASE {} ALLOW_CONNECTIONS true", name)};
  }
  if (sqlstate_class == "53") {
    return {found, "a free connection",
            fmt::format("ALTER ROLE {} CONNECTION LIMIT -1, ALTER DATABASE {} CONNECTION LIMIT -1, or raise "
                        "max_connections",
                        role, name)};
  }
  return {found, "wait until the server accepts connections"};
}

// Checks the tap's own connection: behind a pooler, the server sees only the pooler's.
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
      report.note(subject, {protection + ", but the server's certificate is not verified", "verify it",
                            "\"sslmode\": \"verify-full\" and \"sslrootcert\" in the config"});
    }
  } else if (server.tunnel) {
    report.note(subject, {fmt::format("encrypted by the SSH tunnel up to {}, but not beyond",
                                      server.tunnel->description()),
                          "use TLS for the whole path", "\"sslmode\": \"require\" in the config"});
  } else if (is_local(server)) {
    report.ok(subject, "not encrypted, but local to this machine");
  } else {
    report.warning(subject,
                   {"the connection is not encrypted: the password hash and all rows can be read in transit",
                    "enable TLS on the server (ssl = on)", "\"sslmode\": \"require\" in the config"});
  }
}

}  // namespace tap::check
