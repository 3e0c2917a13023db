// SPDX-License-Identifier: Apache-2.0
#include <tap/pg/timeline.hpp>

#include "catch.hpp"

namespace tap::pg {
namespace {

TEST_CASE("a timeline is recorded as system identifier and number") {
  CHECK(to_text(Timeline{"7512345678901234567", 2}) == "7512345678901234567/2");
  CHECK(read_timeline("7512345678901234567/2") == Timeline{"7512345678901234567", 2});
  for (const char* text : {"", "/", "7512345678901234567", "/2", "75/", "75/x", "75/2/3", "75/-1"}) {
    CHECK(read_timeline(text) == std::nullopt);
  }
}

TEST_CASE("the history of a timeline says where the earlier ones end") {
  const char* const history =
      "1\t0/3000148\tno recovery target specified\n\n2\t1A/4000000\tbefore 2026-01-01 00:00:00+00\n";
  CHECK(end_of_timeline(history, 1) == Lsn{0x3000148});
  CHECK(end_of_timeline(history, 2) == Lsn{0x1A04000000});
  CHECK(end_of_timeline(history, 3) == std::nullopt);
  CHECK(end_of_timeline("", 1) == std::nullopt);
  CHECK(end_of_timeline("1\t", 1) == std::nullopt);
}

}  // namespace
}  // namespace tap::pg
