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

/// A thread that watches a TCP connection while its owner blocks in libpqxx. If no data arrives for
/// ConnectionSettings::silence and Connection::diagnose_stall() finds that the session is dead, it shuts the
/// socket down, which ends the owner's wait.
class ConnectionWatchdog {
 public:
  /// Starts watching the connection to `database` on the host `endpoint`. `server`, `database` and the socket
  /// must outlive the watchdog. No other thread may log while it exists.
  ConnectionWatchdog(const ConnectionSettings& server, const std::string& database, Endpoint endpoint,
                     int socket, Connection::SessionId session);
  ~ConnectionWatchdog();
  ConnectionWatchdog(const ConnectionWatchdog&) = delete;
  ConnectionWatchdog& operator=(const ConnectionWatchdog&) = delete;

  /// Stops watching. Returns why the connection was shut down, if it was.
  std::optional<std::string> stop();

 private:
  void watch();

  const ConnectionSettings& server_;
  const std::string& database_;
  const Endpoint endpoint_;
  const int socket_;
  const Connection::SessionId session_;
  std::mutex mutex_;
  std::condition_variable stopped_;
  bool is_stopping_ = false;
  std::optional<std::string> stall_;
  std::thread thread_;
};

}  // namespace tap::pg
