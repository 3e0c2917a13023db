// SPDX-License-Identifier: Apache-2.0
#include <spdlog/fmt/fmt.h>

#include <tap/base/error.hpp>
#include <tap/pg/quote.hpp>
#include <tap/sync/slots/server_requirements.hpp>

namespace tap::sync {

namespace {

[[noreturn]] void fail(const Problem& problem) {
  throw Error(ExitCode::log_based_unprepared, problem);
}

}  // namespace

std::string_view plugin_to_create(const config::LogSettings& settings) {
  return settings.plugin == config::LogSettings::Plugin::wal2json ? kWal2json : kPgoutput;
}

void require_log_based_version(pg::ServerVersion version) {
  if (version < pg::kOldestForLogBased) {
    fail({fmt::format("log-based replication needs PostgreSQL {} or later, the server has {}",
                      pg::kOldestForLogBased.text(), version.text()),
          "upgrade the server, or use FULL_TABLE or INCREMENTAL"});
  }
}

void require_logical_decoding(const pg::DecodingStatus& status) {
  require_log_based_version(status.version);
  if (status.in_recovery && !status.version.decodes_on_standbys()) {
    fail({"log-based replication reads the primary, but this server is a standby",
          "set host to the primary (Aurora: the cluster's writer endpoint)"});
  }
  if (!status.has_logical_decoding) {
    fail({fmt::format("log-based replication needs wal_level=logical, the server has {}", status.wal_level),
          "",
          status.is_rds ? "set rds.logical_replication to 1 in its parameter group and reboot it"
                        : "ALTER SYSTEM SET wal_level = 'logical', then restart it"});
  }
}

void require_failover_support(const pg::DecodingStatus& status, const config::Config& config) {
  if (!config.log.failover_slot) {
    return;
  }
  if (!status.version.has_failover_slots()) {
    fail({fmt::format("failover slots need PostgreSQL 17 or later, the server has {}", status.version.text()),
          "set failover_slot to false"});
  }
  if (status.in_recovery) {
    fail({"a slot of a standby cannot be a failover slot, and this server is a standby",
          "set host to the primary, or failover_slot to false"});
  }
}

void require_replication_privilege(const pg::DecodingStatus& status, const config::Config& config,
                                   const std::string& database) {
  if (status.has_replication) {
    return;
  }
  try {
    pg::try_replication(config.server, database);
  } catch (const pg::DatabaseError& error) {
    const std::string role = pg::quote_identifier(status.role);
    fail({error.what(), "give the role the right to replicate",
          status.is_rds ? fmt::format("GRANT rds_replication TO {}", role)
                        : fmt::format("ALTER ROLE {} REPLICATION", role)});
  }
}

void require_primary(pg::Connection& connection) {
  const pg::Result result = connection.query("SELECT pg_catalog.pg_is_in_recovery() AS in_recovery");
  if (result.first().flag("in_recovery")) {
    throw pg::TransientError(ExitCode::log_based_unprepared,
                             fmt::format("the server ({}) is a standby now, and log-based replication reads "
                                         "the primary",
                                         connection.description()));
  }
}

void require_standby(const pg::Connection& connection, const pg::DecodingStatus& status) {
  if (!status.in_recovery) {
    fail({fmt::format("the server of secondary_host ({}) is not a standby", connection.description()),
          "set secondary_host to a standby, or use_secondary to false"});
  }
}

Problem plugin_not_allowed(pg::Connection& connection, const std::string& found, std::string_view plugin) {
  if (pg::decoding_status(connection).is_rds) {
    return {found, fmt::format("add {} to output_plugin_libraries in its parameter group", plugin)};
  }
  std::string list = "<output of SHOW output_plugin_libraries>, ";
  try {
    const auto allowed = pg::allowed_plugins(connection).value_or(std::vector<std::string>());
    list.clear();
    for (const std::string& name : allowed) {
      list += pg::quote_literal(name) + ", ";
    }
  } catch (const pg::ServerError&) {  // only administrators may read the setting
  }
  return {found, fmt::format("add {} to the setting output_plugin_libraries", plugin),
          fmt::format("ALTER SYSTEM SET output_plugin_libraries = {}'{}', then SELECT pg_reload_conf()", list,
                      plugin)};
}

}  // namespace tap::sync
