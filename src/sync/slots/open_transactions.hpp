// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include <tap/base/error.hpp>
#include <tap/pg/connection.hpp>

namespace tap::sync {

/// The transactions that are open at construction, on the server or, for a standby, on its primary as far as
/// the standby has replayed WAL. The functions throw what Connection::query() does.
class OpenTransactions {
 public:
  explicit OpenTransactions(pg::Connection& connection);

  [[nodiscard]] bool have_ended(pg::Connection& connection) const;

  /// True once they have ended, if that does not take longer than 1 s.
  [[nodiscard]] bool end_soon(pg::Connection& connection) const;

  /// Waits until they have ended. pgoutput does not send changes that were made before their table was
  /// published, even if their transaction commits later: a copy must contain them, so that it must not begin
  /// before, unless a new slot or an exported snapshot has waited already. Logs which transactions these are,
  /// in longer and longer intervals. Returns the error of the streams to copy if it takes longer than `limit`
  /// since this object was made; 0: no limit.
  [[nodiscard]] std::optional<Problem> wait(pg::Connection& connection,
                                            std::chrono::milliseconds limit) const;

 private:
  using Clock = std::chrono::steady_clock;

  Clock::time_point since_ = Clock::now();
  std::string next_;
};

/// The setting `lock_timeout` of the connection's sessions; 0: no limit.
std::chrono::milliseconds lock_timeout(pg::Connection& connection, const pg::ConnectionSettings& server);

}  // namespace tap::sync
