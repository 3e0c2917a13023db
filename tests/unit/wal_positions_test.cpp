// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"
#include "sync/wal/positions.hpp"
#include "sync/wal/run_limits.hpp"

using namespace tap;
using namespace tap::sync;
using namespace std::chrono_literals;

namespace {

const auto kStart = RunLimits::Clock::time_point() + 1h;

config::LogSettings endless() {
  config::LogSettings settings;
  settings.stop_at_end = false;
  return settings;
}

}  // namespace

TEST_CASE("WAL positions start at the bookmark") {
  const WalPositions positions(Lsn{50}, std::nullopt);
  CHECK(positions.received_lsn() == Lsn{50});
  CHECK(positions.written_lsn() == Lsn{50});
  CHECK_FALSE(positions.in_transaction());
  CHECK_FALSE(positions.has_skipped());
}

TEST_CASE("positions move at the end of a transaction") {
  WalPositions positions(Lsn{50}, std::nullopt);
  positions.begin_transaction(Lsn{70}, true);
  CHECK(positions.in_transaction());
  CHECK(positions.commit_end() == Lsn{70});
  positions.receive(Lsn{60});
  positions.receive_keepalive(Lsn{65});
  positions.mark_written();
  CHECK(positions.received_lsn() == Lsn{50});
  CHECK(positions.written_lsn() == Lsn{50});
  CHECK(positions.end_transaction(Lsn{70}));
  positions.receive(Lsn{70});
  CHECK(positions.received_lsn() == Lsn{70});
  CHECK(positions.written_lsn() == Lsn{50});
  positions.mark_written();
  CHECK(positions.written_lsn() == Lsn{70});
}

TEST_CASE("a written position stays within a transaction") {
  WalPositions positions(Lsn{50}, std::nullopt);
  positions.begin_transaction(Lsn{60}, true);
  CHECK(positions.end_transaction(Lsn{60}));
  positions.receive(Lsn{60});
  positions.begin_transaction(Lsn{70}, true);
  positions.mark_written();
  CHECK(positions.written_lsn() == Lsn{50});
}

TEST_CASE("the bookmark passes a transaction by a keepalive after it") {
  WalPositions positions(Lsn{50}, std::nullopt);
  positions.begin_transaction(Lsn{61}, true);  // as of pgoutput, which does not know the end yet
  CHECK_FALSE(positions.has_passed_transaction());
  CHECK(positions.end_transaction(Lsn{70}));
  positions.receive(Lsn{70});
  positions.mark_written();
  CHECK_FALSE(positions.has_passed_transaction());
  positions.receive_keepalive(Lsn{80});
  CHECK_FALSE(positions.has_passed_transaction());  // rows wait for backfill
  positions.mark_written();
  CHECK(positions.has_passed_transaction());
  positions.begin_transaction(Lsn{90}, true);
  CHECK_FALSE(positions.has_passed_transaction());
}

TEST_CASE("positions never move backward") {
  WalPositions positions(Lsn{50}, std::nullopt);
  positions.receive(Lsn{40});
  CHECK(positions.received_lsn() == Lsn{50});
  positions.receive_keepalive(Lsn{45});
  CHECK(positions.received_lsn() == Lsn{50});
}

TEST_CASE("a skipped transaction moves no position and is remembered") {
  WalPositions positions(Lsn{50}, std::nullopt);
  positions.begin_transaction(Lsn{70}, false);
  CHECK_FALSE(positions.in_transaction());
  CHECK(positions.has_skipped());
  CHECK_FALSE(positions.end_transaction(Lsn{70}));
  CHECK(positions.received_lsn() == Lsn{50});
  positions.begin_transaction(Lsn{60}, true);
  CHECK(positions.has_skipped());
}

TEST_CASE("a reader has caught up once a keepalive reaches the WAL end of its start") {
  WalPositions endless_run(Lsn{50}, Lsn{60});
  endless_run.receive_keepalive(Lsn{59});
  CHECK_FALSE(endless_run.has_caught_up());
  endless_run.begin_transaction(Lsn{70}, true);
  endless_run.receive_keepalive(Lsn{60});
  CHECK(endless_run.has_caught_up());
  endless_run.receive_keepalive(Lsn{55});
  CHECK(endless_run.has_caught_up());

  WalPositions run_to_end(Lsn{50}, std::nullopt);
  run_to_end.receive_keepalive(Lsn{90});
  CHECK_FALSE(run_to_end.has_caught_up());
}

TEST_CASE("a run to the end of WAL includes transactions up to its end LSN") {
  const RunLimits limits({}, Lsn{100}, kStart);
  CHECK(limits.has_end_lsn());
  CHECK(limits.includes(Lsn{100}));
  CHECK_FALSE(limits.includes(Lsn{101}));
  CHECK_FALSE(limits.is_end_reached(Lsn{99}));
  CHECK(limits.is_end_reached(Lsn{100}));
  CHECK(limits.is_end_reached(Lsn{101}));
  CHECK(limits.bytes_left(Lsn{60}) == 40);
  CHECK(limits.bytes_left(Lsn{101}) == 0);
  CHECK_FALSE(limits.is_out_of_time(kStart + 1000h));
}

TEST_CASE("a run without an end LSN includes every transaction") {
  const RunLimits limits(endless(), Lsn{100}, kStart);
  CHECK_FALSE(limits.has_end_lsn());
  CHECK(limits.includes(Lsn{101}));
  CHECK_FALSE(limits.is_end_reached(Lsn{101}));
  CHECK_FALSE(limits.bytes_left(Lsn{60}));
  CHECK_FALSE(limits.is_out_of_time(kStart + 1000h));
}

TEST_CASE("a run ends after its longest time") {
  config::LogSettings settings = endless();
  settings.max_run = 60s;
  RunLimits limits(settings, Lsn{100}, kStart);
  limits.note_messages(kStart + 59s);
  CHECK_FALSE(limits.is_out_of_time(kStart + 59s));
  CHECK(limits.is_out_of_time(kStart + 60s));
}

TEST_CASE("a run ends after a time without messages") {
  config::LogSettings settings = endless();
  settings.max_idle = 10s;
  RunLimits limits(settings, Lsn{100}, kStart);
  CHECK_FALSE(limits.is_out_of_time(kStart + 9s));
  CHECK(limits.is_out_of_time(kStart + 10s));
  limits.note_messages(kStart + 9s);
  CHECK_FALSE(limits.is_out_of_time(kStart + 18s));
  CHECK(limits.is_out_of_time(kStart + 19s));
}
