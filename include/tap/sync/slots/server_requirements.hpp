// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include <tap/config/config.hpp>
#include <tap/pg/catalog/slots.hpp>
#include <tap/pg/connection.hpp>

namespace tap::sync {

// What log-based replication requires of the server and the role, apart from a slot. Unless they say
// otherwise, the functions throw Error (log_based_unprepared) with the remedy.

/// The output plugins whose slots the tap reads.
inline constexpr std::string_view kPgoutput = "pgoutput";
inline constexpr std::string_view kWal2json = "wal2json";

/// The plugin of a new slot.
std::string_view plugin_to_create(const config::LogSettings& settings);

/// Throws if the server is older than pg::kOldestForLogBased.
void require_log_based_version(pg::ServerVersion version);

/// Throws if the server is a standby that cannot decode WAL (before version 16), or wal_level is too low.
void require_logical_decoding(const pg::DecodingStatus& status);

/// Throws if the config asks for a failover slot, but the server can have none.
void require_failover_support(const pg::DecodingStatus& status, const config::Config& config);

/// Throws if the role may not use replication connections. May open one to find out.
void require_replication_privilege(const pg::DecodingStatus& status, const config::Config& config,
                                   const std::string& database);

/// Throws TransientError if the connection leads to a standby. Call for each new connection of a run that
/// reads WAL: after a failover the host may be a standby, which can be behind the changes read.
void require_primary(pg::Connection& connection);

/// Throws if the server of secondary_host is not a standby: it has no position in the primary's WAL.
void require_standby(const pg::Connection& connection, const pg::DecodingStatus& status);

/// The remedy for a server whose output_plugin_libraries lacks the plugin. `found` says how it showed.
Problem plugin_not_allowed(pg::Connection& connection, const std::string& found, std::string_view plugin);

}  // namespace tap::sync
