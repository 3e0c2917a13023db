// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <tap/base/endpoint.hpp>
#include <tap/pg/connection_settings.hpp>

namespace tap::pg {

/// A libpq connection string for one database of the server.
std::string conninfo(const ConnectionSettings& server, const std::string& database);

/// The server as libpq reaches it: at ports of this machine if there is a tunnel, which is opened if need be.
/// Its hosts keep their names, for certificates and messages. Throws what Tunnel::enter() does.
ConnectionSettings through_tunnel(ConnectionSettings server);

/// Where libpq connects to when it says that it is at `host` and `port`.
Endpoint original_endpoint(const ConnectionSettings& server, std::string_view host, std::string_view port);

/// A message of libpq that names places as the config does.
std::string restore_host_names(const ConnectionSettings& server, std::string message);

/// How long libpq may try one host; 0: for ever.
long connect_timeout_seconds(const ConnectionSettings& server);

/// The same server, entered to read a database's log.
ConnectionSettings for_replication(ConnectionSettings server);

/// The server without the first of its hosts that libpq calls by this name and port; nothing if there is no
/// other.
std::optional<ConnectionSettings> without_host(const ConnectionSettings& server, std::string_view host,
                                               std::string_view port);

}  // namespace tap::pg
