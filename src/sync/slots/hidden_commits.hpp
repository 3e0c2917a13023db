// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>

#include <tap/base/error.hpp>
#include <tap/pg/connection.hpp>

#include "open_transactions.hpp"

namespace tap::sync {

/// With synchronous replication, WAL can have a commit long before queries see it. An earlier run may have
/// read that commit, so that the slot does not send it again: a copy must contain it. A snapshot that the
/// server exports for a slot has waited already.
class HiddenCommits {
 public:
  /// Waits until all commits that were hidden at the first call are visible. Returns the error of the streams
  /// to copy if that takes longer than `limit` since then; 0: no limit. Throws what Connection::query() does.
  [[nodiscard]] std::optional<Problem> wait(pg::Connection& connection, std::chrono::milliseconds limit);

 private:
  std::optional<OpenTransactions> open_;  ///< at the first call
  std::chrono::steady_clock::time_point since_;
  bool are_visible_ = false;
};

}  // namespace tap::sync
