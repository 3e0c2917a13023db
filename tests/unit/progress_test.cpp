// SPDX-License-Identifier: Apache-2.0
#include "sync/progress.hpp"

#include "catch.hpp"
#include "sync/copy/position.hpp"
#include "sync/wal/wal_progress.hpp"

using namespace tap;
using std::chrono::seconds;

TEST_CASE("times are shown in one unit") {
  CHECK(sync::readable_time(seconds(0)) == "0 s");
  CHECK(sync::readable_time(seconds(119)) == "119 s");
  CHECK(sync::readable_time(seconds(150)) == "2 min");
  CHECK(sync::readable_time(seconds(7200)) == "2.0 h");
  CHECK(sync::readable_time(seconds(216'000)) == "2.5 days");
  CHECK(sync::time_left(10, 30, seconds(5)) == "15 s");
  CHECK(sync::time_left(0, 30, seconds(5)).empty());
}

TEST_CASE("the progress of reading WAL says what is left and how far the bookmark is behind") {
  constexpr std::uint64_t mb = 1'000'000;
  CHECK(to_text(sync::WalProgress{2 * mb, 6 * mb, 7 * mb, seconds(45), seconds(10)}) ==
        "2.0 MB of WAL read, 6.0 MB left, about 30 s; bookmark 7.0 MB and 45 s behind");
  CHECK(to_text(sync::WalProgress{0, 6 * mb, 6 * mb, std::nullopt, seconds(10)}) ==
        "0 bytes of WAL read, 6.0 MB left; bookmark 6.0 MB behind");
  CHECK(to_text(sync::WalProgress{2 * mb, 0, 0, seconds(45), seconds(10)}).empty());
}

TEST_CASE("the age of a transaction is measured by the server's clock") {
  constexpr std::int64_t second = 1'000'000;
  CHECK(sync::age_of("2000-01-01 00:00:10.5+00", 25 * second) == seconds(15));
  CHECK(sync::age_of("2000-01-02 00:00:00+00", 86'401 * second) == seconds(1));
  CHECK(sync::age_of("2000-01-01 00:00:10+00", 0) == seconds(0));
  CHECK_FALSE(sync::age_of("2000-01-01 00:00:10+02", 25 * second));
  CHECK_FALSE(sync::age_of("", 25 * second));
}

TEST_CASE("the rows that a position covers are estimated from the blocks") {
  std::vector<pg::Partition> partitions(3);
  for (unsigned i = 0; i < partitions.size(); ++i) {
    partitions[i].oid = i + 1;
    partitions[i].blocks = 100;
  }
  sync::CopyPosition position;
  position.partition = 2;
  position.ctid = {50, 0};
  position.done = {1};
  CHECK(sync::estimate_covered_rows(position, partitions, 3000) == 1500);
  position.ctid = {500, 0};
  CHECK(sync::estimate_covered_rows(position, partitions, 3000) == 2000);
  CHECK(sync::estimate_covered_rows(position, {}, 3000) == 0);
}
