// SPDX-License-Identifier: Apache-2.0
#include "sync/bookmark.hpp"

#include "catch.hpp"
#include "sync/copy/columns/key_order.hpp"

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

TEST_CASE("a bookmark's order is that of its number, or the one that it records") {
  const auto changed = [](const std::string& value, const std::string& order, const std::string& now) {
    Json bookmark = parse_json(R"({"replication_key_value": )" + value + "}", "test");
    if (!order.empty()) {
      bookmark[kKeyOrder] = order;
    }
    return changed_order(bookmark, now);
  };
  CHECK(changed("100", "", "number").empty());
  CHECK(changed("1.5", "", "number").empty());
  for (const char* now : {"interval", "timestamp without time zone", "text/C", "public.mood/736164"}) {
    CHECK(changed("100", "", now) == "number");
    CHECK(changed(R"("10000000000000001")", "number", now) == "number");
    CHECK(changed(R"("100")", "", now).empty());
    CHECK(changed("null", "", now).empty());
  }
  CHECK(changed_order(Json::object(), "interval").empty());
  CHECK(changed(R"("01:00:00")", "interval", "number") == "interval");
  CHECK(changed(R"("a")", "text/C", "text/C/1").empty());
  CHECK(changed(R"("a")", "text/C/1", "text/C/2") == "text/C/1");
  CHECK(changed(R"("a")", "text/C", "text/de-DE") == "text/C");
}

TEST_CASE("labels that are added to an enum do not change the order of a bookmark") {
  const auto changed = [](const std::string& order, const std::string& now) {
    const Json bookmark = {{"replication_key_value", "sad"}, {kKeyOrder, order}};
    return changed_order(bookmark, now);
  };
  CHECK(changed("mood/736164,6f6b", "mood/736164,6f6b").empty());
  CHECK(changed("mood/736164,6f6b", "mood/736164,6f6b,61").empty());
  CHECK(changed("mood", "mood/736164,6f6b").empty());
  CHECK(changed("mood/736164,6f6b", "mood/6f6b,736164") == "mood/736164,6f6b");
  CHECK(changed("mood/736164,6f6b", "mood/736164,6f6b61") == "mood/736164,6f6b");
  CHECK(changed("mood/736164,6f6b", "mood/736164") == "mood/736164,6f6b");
  CHECK(changed("mood", "moods/736164,6f6b") == "mood");
  CHECK(changed(R"("a/b/c"/61,62)", R"("a/b/c"/62,61)") == R"("a/b/c"/61,62)");
}
