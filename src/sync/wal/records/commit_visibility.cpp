// SPDX-License-Identifier: Apache-2.0
#include "commit_visibility.hpp"

#include <chrono>
#include <utility>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <tap/base/log.hpp>
#include <tap/base/signals.hpp>

namespace tap::sync {

namespace {

constexpr std::chrono::milliseconds kLookAgain{2};
constexpr std::chrono::seconds kPatience{10};

// A transaction lets go of the lock on its number after it has become visible.
constexpr const char* kUnseen = R"sql(
SELECT 1
  FROM pg_catalog.pg_locks
 WHERE locktype = 'transactionid' AND mode = 'ExclusiveLock' AND granted
   AND transactionid::text = ANY ($1::text[])
 LIMIT 1
)sql";

}  // namespace

void CommitVisibility::note_row() {
  if (!in_hand_.empty() && (of_rows_.empty() || of_rows_.back() != in_hand_)) {
    of_rows_.push_back(in_hand_);
  }
}

void CommitVisibility::await_in_hand(pg::Connection& connection) {
  if (!in_hand_.empty()) {
    await(connection, {in_hand_});
    in_hand_.clear();
  }
}

void CommitVisibility::await_rows(pg::Connection& connection) {
  if (!of_rows_.empty()) {
    await(connection, of_rows_);
    of_rows_.clear();
  }
}

void CommitVisibility::await(pg::Connection& connection, const std::vector<std::string>& xids) const {
  const std::string list = fmt::format("{{{}}}", fmt::join(xids, ","));
  const auto began = std::chrono::steady_clock::now();
  bool has_warned = false;
  while (connection.query(kUnseen, {list}).size() > 0) {
    if (!has_warned && std::chrono::steady_clock::now() - began > kPatience) {
      has_warned = true;
      log::warn(
          "waiting for transactions {}: they are in the log, but nobody sees them yet; does the server "
          "wait for a standby (synchronous_standby_names)?",
          fmt::join(xids, ", "));
    }
    if (action_) {
      action_();
    }
    signals::sleep_for(kLookAgain);
  }
}

}  // namespace tap::sync
