// SPDX-License-Identifier: Apache-2.0
#include "hidden_commits.hpp"

#include <spdlog/fmt/fmt.h>

#include <tap/base/log.hpp>
#include <tap/base/signals.hpp>

namespace tap::sync {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// The sessions whose commit waits for a standby. A role that may not see what others wait for has to count
// each open transaction.
constexpr const char* kHidden = R"sql(
SELECT pg_catalog.string_agg(pid::text, ', ' ORDER BY pid) AS pids
  FROM pg_catalog.pg_stat_activity
 WHERE wait_event = 'SyncRep' OR (backend_xid IS NOT NULL AND state IS NULL
                                  AND pg_catalog.current_setting('synchronous_standby_names') <> '')
)sql";

}  // namespace

std::optional<Problem> HiddenCommits::wait(pg::Connection& connection, milliseconds limit) {
  using Clock = std::chrono::steady_clock;
  constexpr milliseconds poll{100};
  const bool is_first = !open_;
  if (is_first) {
    open_.emplace(connection);
    since_ = Clock::now();
  }
  for (bool is_reported = !is_first; !are_visible_; is_reported = true) {
    const pg::Result hidden = connection.query(kHidden);
    const std::string pids = hidden.first().text("pids");
    if (pids.empty() || open_->have_ended(connection)) {
      are_visible_ = true;
      break;
    }
    const auto waited = Clock::now() - since_;
    if (limit.count() > 0 && waited >= limit) {
      return Problem{fmt::format("WAL has commits that queries do not see after {} s (lock_timeout): PID {}",
                                 std::chrono::duration_cast<seconds>(waited).count(), pids),
                     "check whether the server waits for a standby (synchronous_standby_names)"};
    }
    if (!is_reported) {
      log::warn(
          "waiting for commits that WAL has and queries do not see yet: PID {}; check whether the server "
          "waits for a standby (synchronous_standby_names)",
          pids);
    }
    signals::sleep_for(poll);
  }
  return std::nullopt;
}

}  // namespace tap::sync
