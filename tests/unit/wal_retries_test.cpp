// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"
#include "sync/wal/memory_reconnections.hpp"
#include "sync/wal/slot_advance.hpp"

using namespace tap;
using namespace tap::sync;
using namespace std::chrono_literals;

namespace {

const auto kStart = std::chrono::steady_clock::time_point() + 1h;

std::vector<StreamPosition> at(std::uint64_t lsn) {
  return {{"public-a", Lsn{lsn}}};
}

}  // namespace

TEST_CASE("a bookmark that moves is an advance, a fault at the same place is none") {
  LogAdvance advance(at(5));
  advance.begin_attempt(kStart, 0);
  CHECK(advance.has_advanced(kStart + 1s, 3, false, at(6)));
  advance.begin_attempt(kStart + 2s, 3);
  CHECK_FALSE(advance.has_advanced(kStart + 3s, 3, false, at(6)));
}

TEST_CASE("long attempts that never come to the end of WAL are no advance") {
  LogAdvance advance(at(5));
  for (auto now = kStart; now < kStart + 3h; now += 15min) {
    advance.begin_attempt(now, 0);
    CHECK_FALSE(advance.has_advanced(now + 15min, 0, false, at(5)));
  }
}

TEST_CASE("a quiet run at the end of WAL may lose its connection now and then, but not in short succession") {
  LogAdvance advance(at(5));
  for (auto now = kStart; now < kStart + 3h; now += 15min) {
    advance.begin_attempt(now, 7);
    CHECK(advance.has_advanced(now + 15min, 7, true, at(5)));
  }
  advance.begin_attempt(kStart + 3h, 7);
  CHECK_FALSE(advance.has_advanced(kStart + 3h + 10min, 7, true, at(5)));
  advance.begin_attempt(kStart + 4h, 7);
  CHECK_FALSE(advance.has_advanced(kStart + 5h, 8, true, at(5)));
}

TEST_CASE("a reconnection for memory waits until WAL is read beyond the place of the last one") {
  MemoryReconnections reconnections;
  CHECK(reconnections.is_allowed(kStart, Lsn{5}));
  reconnections.note_reconnection(kStart, Lsn{50});
  CHECK_FALSE(reconnections.is_allowed(kStart + 1h, Lsn{60}));  // nothing has been sent yet
  reconnections.note_sent(kStart + 1min, Lsn{49});
  CHECK_FALSE(reconnections.is_allowed(kStart + 1h, Lsn{60}));
  reconnections.note_sent(kStart + 30s, Lsn{50});
  CHECK_FALSE(reconnections.is_allowed(kStart + 1h, Lsn{50}));
  CHECK_FALSE(reconnections.is_allowed(kStart + 9min, Lsn{51}));
  CHECK(reconnections.is_allowed(kStart + 10min, Lsn{51}));
}

TEST_CASE("reconnections for memory take a tenth of the time at most") {
  MemoryReconnections reconnections;
  reconnections.note_reconnection(kStart, Lsn{50});
  reconnections.note_sent(kStart + 20min, Lsn{70});
  reconnections.note_sent(kStart + 50min, Lsn{80});
  CHECK_FALSE(reconnections.is_allowed(kStart + 199min, Lsn{80}));
  CHECK(reconnections.is_allowed(kStart + 200min, Lsn{80}));
}
