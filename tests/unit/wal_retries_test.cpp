// SPDX-License-Identifier: Apache-2.0
#include <limits>

#include "catch.hpp"
#include "sync/wal/attempt_progress.hpp"
#include "sync/wal/memory_reconnections.hpp"

using namespace tap;
using namespace tap::sync;
using namespace std::chrono_literals;

namespace {

const auto kStart = std::chrono::steady_clock::time_point() + 1h;

constexpr std::size_t kMuchMemory = std::size_t{64} << 20U;

std::vector<StreamPosition> at(std::uint64_t lsn) {
  return {{"public-a", Lsn{lsn}}};
}

}  // namespace

TEST_CASE("an attempt makes progress if a position advances") {
  AttemptProgress progress(at(5));
  progress.begin_attempt(kStart, 0);
  CHECK(progress.has_advanced(kStart + 1s, 3, false, at(6)));
  progress.begin_attempt(kStart + 2s, 3);
  CHECK_FALSE(progress.has_advanced(kStart + 3s, 3, false, at(6)));
}

TEST_CASE("long attempts that never reach the end of WAL do not count as progress") {
  AttemptProgress progress(at(5));
  for (auto now = kStart; now < kStart + 3h; now += 15min) {
    progress.begin_attempt(now, 0);
    CHECK_FALSE(progress.has_advanced(now + 15min, 0, false, at(5)));
  }
}

TEST_CASE("a quiet run at the end of WAL may lose its connection occasionally, but not in short succession") {
  AttemptProgress progress(at(5));
  for (auto now = kStart; now < kStart + 3h; now += 15min) {
    progress.begin_attempt(now, 7);
    CHECK(progress.has_advanced(now + 15min, 7, true, at(5)));
  }
  progress.begin_attempt(kStart + 3h, 7);
  CHECK_FALSE(progress.has_advanced(kStart + 3h + 10min, 7, true, at(5)));
  progress.begin_attempt(kStart + 4h, 7);
  CHECK_FALSE(progress.has_advanced(kStart + 5h, 8, true, at(5)));
}

TEST_CASE("a reconnection for memory waits until WAL is read beyond the position of the last one") {
  MemoryReconnections reconnections(kStart);
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

TEST_CASE("reconnections for memory take at most a tenth of the time") {
  MemoryReconnections reconnections(kStart);
  reconnections.note_reconnection(kStart, Lsn{50});
  reconnections.note_sent(kStart + 20min, Lsn{70});
  reconnections.note_sent(kStart + 50min, Lsn{80});
  CHECK_FALSE(reconnections.is_allowed(kStart + 199min, Lsn{80}));
  CHECK(reconnections.is_allowed(kStart + 200min, Lsn{80}));
}

TEST_CASE("a run to an end LSN reconnects if more WAL is left than memory is freed") {
  const MemoryReconnections reconnections(kStart);
  CHECK(reconnections.is_due(kStart, Lsn{5}, kMuchMemory, kMuchMemory + 1, false));
  CHECK_FALSE(reconnections.is_due(kStart, Lsn{5}, kMuchMemory, kMuchMemory, true));
  CHECK_FALSE(reconnections.is_due(kStart, Lsn{5}, 1000, std::numeric_limits<std::uint64_t>::max(), true));
}

TEST_CASE("a run without an end LSN first reconnects when idle, or after ten minutes") {
  MemoryReconnections reconnections(kStart);
  CHECK(reconnections.is_due(kStart, Lsn{5}, kMuchMemory, std::nullopt, true));
  CHECK_FALSE(reconnections.is_due(kStart, Lsn{5}, 1000, std::nullopt, true));
  CHECK_FALSE(reconnections.is_due(kStart + 9min, Lsn{5}, kMuchMemory, std::nullopt, false));
  CHECK(reconnections.is_due(kStart + 10min, Lsn{5}, kMuchMemory, std::nullopt, false));
  reconnections.note_reconnection(kStart + 1min, Lsn{50});
  CHECK_FALSE(reconnections.is_due(kStart + 20min, Lsn{51}, kMuchMemory, std::nullopt, true));
  reconnections.note_sent(kStart + 1min, Lsn{50});
  CHECK(reconnections.is_due(kStart + 11min, Lsn{51}, kMuchMemory, std::nullopt, false));
}
