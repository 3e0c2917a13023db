// SPDX-License-Identifier: Apache-2.0
#include <tap/pg/quote.hpp>
#include <tap/pg/server_version.hpp>

#include "catch.hpp"

using namespace tap;

TEST_CASE("an array's text quotes each element") {
  CHECK(pg::array_text({}) == "{}");
  CHECK(pg::array_text({"a"}) == R"({"a"})");
  CHECK(pg::array_text({"a,b", "", "NULL", R"(say "x" \ {y})"}) == R"({"a,b","","NULL","say \"x\" \\ {y}"})");
}

TEST_CASE("a server's version is printed as the server does") {
  CHECK(pg::ServerVersion(90305).text() == "9.3.5");
  CHECK(pg::ServerVersion(90624).text() == "9.6.24");
  CHECK(pg::ServerVersion(100006).text() == "10.6");
  CHECK(pg::ServerVersion(180006).text() == "18.6");
  CHECK(pg::ServerVersion(100005) < pg::kOldestForLogBased);
  CHECK(pg::ServerVersion(90300) >= pg::kOldestForCopies);
}
