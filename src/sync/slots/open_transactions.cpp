// SPDX-License-Identifier: Apache-2.0
#include "open_transactions.hpp"

#include <algorithm>
#include <vector>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <tap/base/log.hpp>
#include <tap/base/signals.hpp>
#include <tap/pg/quote.hpp>

namespace tap::sync {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// The next transaction ID that the server gives or, on a standby, has not yet seen. The xmax of a snapshot
// may be older: it is the one after the last completed transaction. age() counts from the next ID.
constexpr const char* kNextTransaction = R"sql(
SELECT (s.xmax OPERATOR(pg_catalog.+) pg_catalog.age(
         (s.xmax OPERATOR(pg_catalog.%) 4294967296)::pg_catalog.text::pg_catalog.xid))::pg_catalog.text AS next
  FROM pg_catalog.txid_snapshot_xmax(pg_catalog.txid_current_snapshot()) s(xmax)
)sql";

constexpr const char* kEnded = R"sql(
SELECT s.xmin OPERATOR(pg_catalog.>=) $1::bigint AS ended, s.xmin AS oldest,
       pg_catalog.pg_is_in_recovery() AS in_recovery
  FROM pg_catalog.txid_snapshot_xmin(pg_catalog.txid_current_snapshot()) s(xmin)
)sql";

// The open transactions with IDs before $1, the oldest first. A standby lists none of its primary. To be
// formatted with kNextTransaction.
constexpr const char* kOpen = R"sql(
SELECT o.pid AS pid, o.gid AS gid, o.database AS database, o.role AS role, o.application AS application,
       o.state AS state,
       pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) o.since)::bigint
         AS seconds
  FROM (SELECT backend_xid AS xid, pid, NULL::text AS gid, datname AS database, usename AS role,
               application_name AS application, state, xact_start AS since
          FROM pg_catalog.pg_stat_activity
         WHERE backend_xid IS NOT NULL
        UNION ALL
        SELECT transaction, NULL, gid, database, owner, NULL, NULL, prepared
          FROM pg_catalog.pg_prepared_xacts) o
 CROSS JOIN ({}) n
 WHERE n.next::bigint OPERATOR(pg_catalog.-) pg_catalog.age(o.xid) OPERATOR(pg_catalog.<) $1::bigint
 ORDER BY pg_catalog.age(o.xid) DESC
)sql";

// $1: milliseconds, or a number with a unit.
constexpr const char* kMilliseconds = R"sql(
SELECT CASE WHEN $1::text OPERATOR(pg_catalog.~) '^[0-9]+$' THEN $1::bigint
            ELSE (pg_catalog.date_part('epoch', $1::interval) OPERATOR(pg_catalog.*) 1000)::bigint
        END AS milliseconds
)sql";

/// `PID 4711 (database shop, user app, application psql, idle in transaction, open for 60 s)`. A role that
/// may not see the session's state gets no more than its names.
std::string describe(const pg::Row& row) {
  std::vector<std::string> details = {"database " + row.text("database"), "user " + row.text("role")};
  if (!row.text("application").empty()) {
    details.push_back("application " + row.text("application"));
  }
  if (!row.text("state").empty()) {
    details.push_back(row.text("state"));
  }
  if (!row.is_null("seconds")) {
    details.push_back(fmt::format("open for {} s", row.number("seconds")));
  }
  return fmt::format(
      "{} ({})", row.is_null("pid") ? "prepared transaction " + row.text("gid") : "PID " + row.text("pid"),
      fmt::join(details, ", "));
}

/// Which transactions are open, and how to end the oldest of them.
struct Blockers {
  std::string names;
  std::string remedy;
};

Blockers find_blockers(pg::Connection& connection, const std::string& next) {
  constexpr std::size_t most = 3;
  std::vector<std::string> names;
  Blockers blockers;
  const pg::Result open = connection.query(fmt::format(kOpen, kNextTransaction), {next});
  for (const pg::Row row : open) {
    if (names.empty()) {
      blockers.remedy = row.is_null("pid")
                            ? fmt::format("end it with COMMIT PREPARED {0} or ROLLBACK PREPARED {0}",
                                          pg::quote_literal(row.text("gid")))
                            : fmt::format("stop it with SELECT pg_terminate_backend({})", row.text("pid"));
    }
    names.push_back(describe(row));
  }
  if (names.empty()) {
    const pg::Result ended = connection.query(kEnded, {next});
    const std::string oldest = ended.first().text("oldest");
    if (ended.first().flag("in_recovery")) {
      return {fmt::format("transaction {} of the primary", oldest),
              "find it on the primary with SELECT * FROM pg_stat_activity WHERE backend_xid IS NOT NULL"};
    }
    return {"transaction " + oldest, "run again"};
  }
  const std::size_t shown = std::min(names.size(), most);
  blockers.names =
      fmt::format("{}", fmt::join(names.begin(), names.begin() + static_cast<long>(shown), ", "));
  if (names.size() > shown) {
    blockers.names += fmt::format(" and {} more", names.size() - shown);
  }
  return blockers;
}

/// When a wait is logged: at once, then in longer and longer intervals.
seconds next_report(seconds waited) {
  constexpr seconds longest{300};
  return waited < seconds(10) ? seconds(10) : waited < seconds(60) ? seconds(60) : waited + longest;
}

}  // namespace

OpenTransactions::OpenTransactions(pg::Connection& connection) {
  const pg::Result next = connection.query(kNextTransaction);
  next_ = next.first().text("next");
}

bool OpenTransactions::have_ended(pg::Connection& connection) const {
  const pg::Result ended = connection.query(kEnded, {next_});
  return ended.first().flag("ended");
}

bool OpenTransactions::end_soon(pg::Connection& connection) const {
  constexpr milliseconds poll{50};
  constexpr milliseconds longest{1000};
  for (milliseconds waited{0}; waited < longest; waited += poll) {
    if (have_ended(connection)) {
      return true;
    }
    signals::sleep_for(poll);
  }
  return have_ended(connection);
}

std::optional<Problem> OpenTransactions::wait(pg::Connection& connection, milliseconds limit) const {
  constexpr milliseconds poll{100};
  seconds report_at{0};
  while (!have_ended(connection)) {
    const auto waited = std::chrono::duration_cast<seconds>(Clock::now() - since_);
    const bool is_over = limit.count() > 0 && Clock::now() - since_ >= limit;
    if (is_over || waited >= report_at) {
      const Blockers blockers = find_blockers(connection, next_);
      if (is_over) {
        return Problem{
            fmt::format(
                "transactions that may have changed tables before these were published are still open "
                "after {} s (lock_timeout): {}",
                waited.count(), blockers.names),
            "wait for the oldest of them to finish, or " + blockers.remedy + ", or raise lock_timeout"};
      }
      if (report_at.count() == 0) {
        log::info(
            "waiting for open transactions, which may have changed tables before these were published: {}",
            blockers.names);
      } else {
        log::warn("still waiting for open transactions after {} s: {}; to begin sooner, {}", waited.count(),
                  blockers.names, blockers.remedy);
      }
      report_at = next_report(waited);
    }
    signals::sleep_for(poll);
  }
  return std::nullopt;
}

milliseconds lock_timeout(pg::Connection& connection, const pg::ConnectionSettings& server) {
  const auto setting = server.timeouts.find("lock_timeout");
  if (setting == server.timeouts.end()) {
    return milliseconds(0);
  }
  const pg::Result result = connection.query(kMilliseconds, {setting->second});
  return milliseconds(result.first().number("milliseconds"));
}

}  // namespace tap::sync
