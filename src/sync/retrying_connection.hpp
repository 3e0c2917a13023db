// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include <tap/config/config.hpp>
#include <tap/pg/connection.hpp>

namespace tap::sync {

/// The current connection to one of a server's databases. The streams of a database share it; it is replaced
/// after a transient error.
class RetryingConnection {
 public:
  RetryingConnection(const config::Config& config, pg::ConnectionSettings server)
      : config_(config), server_(std::move(server)) {}

  /// Calls `work` with a connection to the database `name`. Repeats this after each transient error, with
  /// growing waits, until max_retries attempts in a row have not advanced the bookmark, as `has_advanced`
  /// reports after each. The first connection of a run is not retried: the config is more likely at fault.
  template <class Work, class HasAdvanced>
  void attempt_until_done(const std::string& name, const std::string& stream, Work work,
                          HasAdvanced has_advanced) {
    while (true) {
      try {
        work(connect(name));
        retries_ = 0;
        return;
      } catch (const pg::PostgresError& error) {
        drop();
        if (!error.is_transient()) {
          throw;
        }
        wait_or_give_up(error, stream, has_advanced());
      }
    }
  }

  /// Connects, unless a connection to this database exists. Throws what pg::Connection() does. The reference
  /// is valid until the next call of a function here.
  pg::Connection& open(const std::string& name) { return connect(name); }

  /// Closes the connection; the next attempt opens a new one. Call after an error that may leave it in an
  /// unknown state.
  void drop() { connection_.reset(); }
  /// The same, but only if libpq keeps the memory of a large row for it.
  void drop_if_large();

  [[nodiscard]] const pg::ConnectionSettings& server() const { return server_; }
  /// The version of the server, such as `15.20`; empty before the first connection.
  [[nodiscard]] const std::string& server_version() const { return server_version_; }

 private:
  pg::Connection& connect(const std::string& name);
  /// Call in a catch block: rethrows the exception if no retry is left or the run has not connected yet.
  void wait_or_give_up(const Error& error, const std::string& stream, bool has_advanced);

  const config::Config& config_;
  pg::ConnectionSettings server_;
  std::string name_;
  std::optional<pg::Connection> connection_;
  std::string server_version_;
  bool has_connected_ = false;
  unsigned retries_ = 0;  ///< since the bookmark last advanced
};

}  // namespace tap::sync
