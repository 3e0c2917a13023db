// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include <tap/base/endpoint.hpp>
#include <tap/pg/connection.hpp>
#include <tap/pg/connection_settings.hpp>

namespace tap::pg {

/// Watches, while it lives, over a TCP connection whose owner waits where nothing else can reach him: if
/// nothing comes for ConnectionSettings::silence, and another connection finds out that this one is dead,
/// shuts it down, so that the wait ends.
class ConnectionWatchdog {
 public:
  /// `socket` and `session` are the connection's, which is to `database` at `place`. All must outlive the
  /// connection_watchdog, and no other thread may log during its lifetime.
  ConnectionWatchdog(const ConnectionSettings& server, const std::string& database, Endpoint place,
                     int socket, Connection::SessionId session);
  ~ConnectionWatchdog();
  ConnectionWatchdog(const ConnectionWatchdog&) = delete;
  ConnectionWatchdog& operator=(const ConnectionWatchdog&) = delete;

  /// Ends it. What it has found: why the connection was shut down, if it was.
  std::optional<std::string> end();

 private:
  void watch();

  const ConnectionSettings& server_;
  const std::string& database_;
  const Endpoint place_;
  const int socket_;
  const Connection::SessionId session_;
  std::mutex mutex_;
  std::condition_variable ended_;
  bool end_ = false;
  std::optional<std::string> why_dead_;
  std::thread thread_;
};

}  // namespace tap::pg
