// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include <tap/config/config.hpp>
#include <tap/pg/connection.hpp>

namespace tap::sync {

/// The connection in use, to one of a server's databases. Streams of one database share it as long as it is
/// good; after a fault that may pass, a new one is made.
class Database {
 public:
  Database(const config::Config& config, pg::Server server) : config_(config), server_(std::move(server)) {}

  /// Calls `work` with a connection to the database `name`, again after each transient fault, with growing
  /// waits, until the retries of the run are used up; they count anew after a long good time. The first
  /// connection of a run is not tried again: its fault is more likely the config's.
  template <class Work>
  void use(const std::string& name, const std::string& stream, Work work) {
    while (true) {
      try {
        work(connect(name));
        return;
      } catch (const pg::ConnectionLost& fault) {
        wait_or_give_up(fault, stream);
      } catch (const pg::ServerError& fault) {
        drop();
        if (!fault.may_pass()) {
          throw;
        }
        wait_or_give_up(fault, stream);
      }
    }
  }

  /// After a fault in the middle of something a new connection is the simplest way out of it.
  void drop() { connection_.reset(); }
  /// The same if libpq keeps the memory of a large row for it.
  void drop_if_large();

 private:
  using Clock = std::chrono::steady_clock;

  pg::Connection& connect(const std::string& name);
  /// Call in a handler: throws `fault` on if there is nothing to wait for.
  void wait_or_give_up(const Error& fault, const std::string& stream);

  const config::Config& config_;
  pg::Server server_;
  std::string name_;
  std::optional<pg::Connection> connection_;
  std::optional<Clock::time_point> connected_at_;  ///< the last time
  unsigned retries_ = 0;
};

}  // namespace tap::sync
