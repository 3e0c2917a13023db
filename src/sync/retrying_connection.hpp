// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include <tap/config/config.hpp>
#include <tap/pg/connection.hpp>

namespace tap::sync {

/// The connection in use, to one of a server's databases. Streams of one database share it as long as it is
/// good; after a fault that may pass, a new one is made.
class RetryingConnection {
 public:
  RetryingConnection(const config::Config& config, pg::ConnectionSettings server)
      : config_(config), server_(std::move(server)) {}

  /// Calls `work` with a connection to the database `name`, again after each transient fault, with growing
  /// waits, until max_retries attempts in a row have not advanced: `has_advanced` is asked after each whether
  /// it has brought the bookmark forward. The first connection of a run is not tried again: its fault is more
  /// likely the config's.
  template <class Work, class HasAdvanced>
  void use(const std::string& name, const std::string& stream, Work work, HasAdvanced has_advanced) {
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

  /// After a fault in the middle of something a new connection is the simplest way out of it.
  void drop() { connection_.reset(); }
  /// The same if libpq keeps the memory of a large row for it.
  void drop_if_large();

 private:
  pg::Connection& connect(const std::string& name);
  /// Call in a handler: throws `fault` on if there is nothing to wait for.
  void wait_or_give_up(const Error& fault, const std::string& stream, bool has_advanced);

  const config::Config& config_;
  pg::ConnectionSettings server_;
  std::string name_;
  std::optional<pg::Connection> connection_;
  bool has_connected_ = false;
  unsigned retries_ = 0;  ///< since the bookmark last advanced
};

}  // namespace tap::sync
