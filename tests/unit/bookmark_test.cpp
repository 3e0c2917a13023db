// SPDX-License-Identifier: Apache-2.0
#include "sync/bookmark.hpp"

#include "catch.hpp"

using namespace tap;
using namespace tap::sync;

TEST_CASE("a bookmark value becomes the text that the server parses") {
  const auto text = [](const std::string& value) {
    return bookmark_text(parse_json(R"({"replication_key_value": )" + value + "}", "test"));
  };
  CHECK(text(R"("it's")") == "it's");
  CHECK(text("12345678901234567890.12345") == "12345678901234567890.12345");
  CHECK(text("0") == "0");
  CHECK(text(R"("")")->empty());
  CHECK(text("false") == "false");
  CHECK_FALSE(text("null").has_value());
  CHECK_FALSE(bookmark_text(Json::object()).has_value());
}

TEST_CASE("a lookback is subtracted in the type of the key") {
  TypeRows types;
  types[20].name = "int8";
  types[1184].name = "timestamptz";
  types[1082].name = "date";
  types[25].name = "text";
  types[99].kind = 'd';
  types[99].base = 20;
  CHECK(lookback_start(types, 20, "'7'", 10) ==
        "greatest('7'::pg_catalog.numeric OPERATOR(pg_catalog.-) pg_catalog.ceil(10::pg_catalog.numeric), "
        "-9223372036854775808)::pg_catalog.int8");
  CHECK(lookback_start(types, 99, "'7'", 10) == lookback_start(types, 20, "'7'", 10));
  CHECK(lookback_start(types, 1184, "'x'", 1.5) ==
        "('x'::pg_catalog.timestamptz OPERATOR(pg_catalog.-) (1.5::pg_catalog.float8 OPERATOR(pg_catalog.*) "
        "'1 second'::pg_catalog.interval))");
  CHECK(lookback_start(types, 1082, "'x'", 60) ==
        "('x'::pg_catalog.timestamp OPERATOR(pg_catalog.-) (60::pg_catalog.float8 OPERATOR(pg_catalog.*) '1 "
        "second'::pg_catalog.interval))");
  CHECK(lookback_start(types, 1184, "'x'", 1e12) ==
        "('x'::pg_catalog.timestamptz OPERATOR(pg_catalog.-) (31557600000::pg_catalog.float8 "
        "OPERATOR(pg_catalog.*) '1 second'::pg_catalog.interval))");
  CHECK(lookback_start(types, 25, "'x'", 60).empty());
}
