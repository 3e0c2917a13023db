// SPDX-License-Identifier: Apache-2.0
#include "open_transactions.hpp"

#include <chrono>
#include <string>

#include <tap/base/log.hpp>
#include <tap/base/signals.hpp>

namespace tap::sync {

namespace {

// The next transaction ID that the server gives or, on a standby, has not yet seen. The xmax of a snapshot
// may be older: it is the one after the last completed transaction. age() counts from the next ID.
constexpr const char* kNextTransaction = R"sql(
SELECT (s.xmax OPERATOR(pg_catalog.+) pg_catalog.age(
         (s.xmax OPERATOR(pg_catalog.%) 4294967296)::pg_catalog.text::pg_catalog.xid))::pg_catalog.text AS next
  FROM pg_catalog.txid_snapshot_xmax(pg_catalog.txid_current_snapshot()) s(xmax)
)sql";

/// The transactions that are open when it is made, on the server or, for a standby, on its primary as far as
/// the standby has replayed WAL.
class OpenTransactions {
 public:
  explicit OpenTransactions(pg::Connection& connection) {
    const pg::Result next = connection.query(kNextTransaction);
    next_ = next.first().text("next");
  }

  [[nodiscard]] bool have_ended(pg::Connection& connection) const {
    const pg::Result ended = connection.query(
        "SELECT pg_catalog.txid_snapshot_xmin(pg_catalog.txid_current_snapshot()) "
        "OPERATOR(pg_catalog.>=) $1::bigint AS ended",
        {next_});
    return ended.first().flag("ended");
  }

 private:
  std::string next_;
};

}  // namespace

bool open_transactions_end_soon(pg::Connection& connection) {
  constexpr std::chrono::milliseconds poll{50};
  constexpr std::chrono::milliseconds longest{1000};
  const OpenTransactions open(connection);
  for (std::chrono::milliseconds waited{0}; waited < longest; waited += poll) {
    if (open.have_ended(connection)) {
      return true;
    }
    signals::sleep_for(poll);
  }
  return open.have_ended(connection);
}

void wait_for_open_transactions(pg::Connection& connection) {
  constexpr std::chrono::milliseconds poll{100};
  const OpenTransactions open(connection);
  for (bool has_waited = false; !open.have_ended(connection); has_waited = true) {
    if (!has_waited) {
      log::info("waiting for open transactions: they may have changed tables before these were published");
    }
    signals::sleep_for(poll);
  }
}

}  // namespace tap::sync
