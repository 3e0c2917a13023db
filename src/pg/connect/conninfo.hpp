// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <tap/base/endpoint.hpp>
#include <tap/pg/connection_settings.hpp>

namespace tap::pg {

/// Returns libpq's connection string for one database (manual: libpq, Connection Strings).
std::string conninfo(const ConnectionSettings& server, const std::string& database);

/// Returns settings that lead through the tunnel, if there is one: to local ports instead of the hosts, whose
/// names stay for certificates and messages. Opens the tunnel. Throws TransientError, and as
/// Tunnel::local_port() does.
ConnectionSettings through_tunnel(ConnectionSettings server);

/// Returns the configured host and port for the ones that libpq reports, which may be the tunnel's local end.
Endpoint original_endpoint(const ConnectionSettings& server, std::string_view host, std::string_view port);

/// Replaces the tunnel's local ports in a message of libpq by the configured hosts and ports.
std::string restore_host_names(const ConnectionSettings& server, std::string message);

/// How long to try one host, in seconds; 0: no limit.
long connect_timeout_seconds(const ConnectionSettings& server);

/// Returns settings for a logical replication connection, on the primary if there are several hosts.
ConnectionSettings for_replication(ConnectionSettings server);

/// Returns the settings without the first host of this name and port; nothing if no other host is left.
std::optional<ConnectionSettings> without_host(const ConnectionSettings& server, std::string_view host,
                                               std::string_view port);

}  // namespace tap::pg
