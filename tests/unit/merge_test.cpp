// SPDX-License-Identifier: Apache-2.0
#include <spdlog/fmt/fmt.h>

#include <tap/base/error.hpp>
#include <tap/sync/parts/merge.hpp>

#include "catch.hpp"
#include "sync/parts/bookmark_order.hpp"

using namespace tap;

namespace {

sync::NamedState state(const std::string& name, const std::string& text) {
  return {name, singer::State(parse_json(text, name), name)};
}

/// The states are named 1, 2, ...
std::string merge(const std::vector<std::string>& texts, const std::string& base = "") {
  std::vector<sync::NamedState> states;
  for (const std::string& text : texts) {
    states.push_back(state(std::to_string(states.size() + 1), text));
  }
  return to_text(
      sync::merge_states(states, base.empty() ? std::nullopt : std::optional(state("base", base))));
}

/// '<', '>' or '=' for bookmarks, '?' if they are unordered. Swapped, they must give the opposite.
char compare(const std::string& a, const std::string& b) {
  const Json first = parse_json(a, "a");
  const Json second = parse_json(b, "b");
  const auto order = sync::compare_bookmarks(first, second).order;
  const auto swapped = sync::compare_bookmarks(second, first).order;
  CHECK((order < 0) == (swapped > 0));
  CHECK((order == 0) == (swapped == 0));
  return order < 0 ? '<' : order > 0 ? '>' : order == 0 ? '=' : '?';
}

std::string reason(const std::string& a, const std::string& b) {
  return sync::compare_bookmarks(parse_json(a, "a"), parse_json(b, "b")).reason;
}

char compare_keys(const std::string& a, const std::string& b) {
  const auto bookmark = [](const std::string& value) {
    return R"({"version":1,"replication_key":"k","replication_key_value":)" + value + "}";
  };
  return compare(bookmark(a), bookmark(b));
}

/// The bookmark of an unfinished copy.
std::string copy(const std::string& position, const std::string& more = "",
                 const std::string& snapshot = "9:9:",
                 const std::string& partition = R"("leaf":5,"relfilenode":6)") {
  return R"({"version":1,"copy":{"snapshot":")" + snapshot + R"(","columns":{"id":1},)" + partition +
         R"(,"position":")" + position + "\"" + more + "}}";
}

}  // namespace

TEST_CASE("each stream gets its newest bookmark") {
  CHECK(merge({R"({"bookmarks":{"a":{"version":2,"xmin":null},"b":{"version":1,"xmin":null}}})",
               R"({"bookmarks":{"a":{"version":1,"xmin":null},"b":{"version":3,"xmin":null},"c":{}}})"}) ==
        R"({"bookmarks":{"a":{"version":2,"xmin":null},"b":{"version":3,"xmin":null},"c":{}},)"
        R"("currently_syncing":null})");
}

TEST_CASE("other members and an unambiguous currently_syncing are kept") {
  CHECK(merge({R"({"bookmarks":{},"currently_syncing":"a","x":1})", R"({"bookmarks":{},"x":2,"y":3})"}) ==
        R"({"bookmarks":{},"currently_syncing":"a","x":1,"y":3})");
  CHECK(merge({R"({"currently_syncing":"a"})", R"({"currently_syncing":"b"})"}) ==
        R"({"currently_syncing":null,"bookmarks":{}})");
}

TEST_CASE("bookmarks that cannot be compared are an error with the stream's name") {
  const std::vector<std::string> states = {
      R"({"bookmarks":{"s":{"version":1,"replication_key":"k","replication_key_value":"b"}}})",
      R"({"bookmarks":{"s":{"version":1,"replication_key":"k","replication_key_value":"B"}}})"};
  REQUIRE_THROWS_WITH(
      merge(states),
      "stream s: cannot tell which bookmark is newer, that of 1 or that of 2: only the server "
      "knows the order of \"b\" and \"B\"; name the state that both runs were given with "
      "--base, or remove the older bookmark");
  CHECK(merge(states, states[0]) ==
        R"({"bookmarks":{"s":{"version":1,"replication_key":"k","replication_key_value":"B"}},)"
        R"("currently_syncing":null})");
  CHECK(merge({states[0], states[0]}) == merge({states[0]}));
}

TEST_CASE("a bookmark that is older than the base does not replace it") {
  const auto with = [](const std::string& bookmark) {
    return R"({"bookmarks":{"s":)" + bookmark + R"(},"currently_syncing":null})";
  };
  const std::string old_lsn = with(R"({"version":1,"lsn":9})");
  const std::string new_lsn = with(R"({"version":1,"lsn":10})");
  CHECK(merge({new_lsn, old_lsn}, new_lsn) == new_lsn);
  CHECK(merge({old_lsn}, new_lsn) == new_lsn);
  CHECK(merge({new_lsn, old_lsn}, old_lsn) == new_lsn);
  const std::string other_sequence = with(R"({"version":1,"lsn":9,"sequence":2})");
  CHECK(merge({old_lsn, other_sequence}, old_lsn) == other_sequence);
  CHECK(merge({R"({"bookmarks":{}})"}, old_lsn) == old_lsn);
  CHECK(merge({R"({"currently_syncing":"a"})"}, R"({"currently_syncing":"b"})") ==
        R"({"currently_syncing":"a","bookmarks":{}})");
}

TEST_CASE("a bookmark with a higher version is newer") {
  CHECK(compare(R"({"version":1,"xmin":null})", R"({"version":2})") == '<');
  CHECK(compare(R"({"version":2,"copy":{}})", R"({"version":1,"xmin":null})") == '>');
  CHECK(compare(R"({"version":1,"last_replication_method":"INCREMENTAL"})",
                R"({"version":2,"last_replication_method":"FULL_TABLE"})") == '<');
  CHECK(compare(R"({"version":1})", R"({"previous_version":1})") == '<');
  CHECK(compare(R"({"version":2})", R"({"previous_version":1})") == '>');
  CHECK(compare(R"({"version":1,"lsn":9})", R"({"version":2,"lsn":8})") == '<');  // of another server
  CHECK(compare(R"({"lsn":9})", R"({"version":1,"lsn":8})") == '<');              // of another tap
  CHECK(compare(R"({"lsn":9})", R"({"previous_version":1})") == '<');
}

TEST_CASE("a bookmark of a stream that was not begun is older than any other") {
  CHECK(compare(R"({"last_replication_method":"LOG_BASED"})",
                R"({"last_replication_method":"FULL_TABLE","version":1})") == '<');
  CHECK(compare("{}", "{}") == '=');
}

TEST_CASE("bookmarks of one version with different methods cannot be compared") {
  CHECK(reason(R"({"version":1,"last_replication_method":"INCREMENTAL"})",
               R"({"version":1,"last_replication_method":"FULL_TABLE"})") ==
        R"(their replication methods are "INCREMENTAL" and "FULL_TABLE")");
}

TEST_CASE("a bookmark of another tap is older than what our run has made of it") {
  CHECK(compare(
            R"({"replication_key":"k","replication_key_value":5})",
            R"({"replication_key":"k","replication_key_value":6,"last_replication_method":"INCREMENTAL"})") ==
        '<');
  CHECK(compare(R"({"replication_key":"_sdc_lsn","replication_key_value":5})",
                R"({"lsn":6,"last_replication_method":"LOG_BASED"})") == '<');
}

TEST_CASE("bookmarks of log-based streams are compared by LSN") {
  CHECK(compare(R"({"version":1,"lsn":9})", R"({"version":1,"lsn":10})") == '<');
  CHECK(compare(R"({"version":1,"lsn":9,"sequence":2})", R"({"version":1,"lsn":9,"sequence":1})") == '=');
}

TEST_CASE("LSNs are compared within the history of one server") {
  const auto bookmark = [](int lsn, const char* timeline) {
    return fmt::format(R"({{"version":1,"lsn":{},"timeline":"{}"}})", lsn, timeline);
  };
  CHECK(compare(bookmark(9, "7/1"), bookmark(10, "7/1")) == '<');
  CHECK(compare(bookmark(9, "7/1"), bookmark(10, "7/2")) == '<');
  CHECK(compare(bookmark(9, "7/1"), R"({"version":1,"lsn":8})") == '>');
  CHECK(reason(bookmark(10, "7/1"), bookmark(9, "7/2")) ==
        "they are of the WAL of different servers or timelines");
  CHECK(reason(bookmark(9, "7/1"), bookmark(10, "8/1")) ==
        "they are of the WAL of different servers or timelines");
}

TEST_CASE("bookmarks of one copy are compared by position") {
  CHECK(compare(R"({"version":1})", copy("(1,0)")) == '<');
  CHECK(compare(copy("(1,0)"), R"({"version":1,"xmin":null})") == '<');
  CHECK(compare(copy("(1,9)"), copy("(2,0)")) == '<');
  CHECK(compare(copy("(1,9)"), copy("(1,9)", "", "10:10:")) == '<');
  const char* const other = R"("leaf":7,"relfilenode":8)";
  CHECK(compare(copy("(9,0)"), copy("(1,0)", R"(,"done":[5])", "9:9:", other)) == '<');
  CHECK(compare(copy("(1,0)", R"(,"done":[4,5])", "9:9:", other), copy("(9,0)", R"(,"done":[4])")) == '>');
  CHECK(reason(copy("(9,0)"), copy("(1,0)", "", "9:9:", other)) ==
        "they are of unfinished copies of different partitions");
  CHECK(reason(copy("(9,0)"), copy("(1,0)", "", "9:9:", R"("leaf":5,"relfilenode":7)")) ==
        "the table was rewritten between the two copies");
  CHECK(reason(copy("(9,0)"), copy("(1,0)", R"(,"system":"2")")) == "");
  CHECK(reason(copy("(9,0)", R"(,"system":"1")"), copy("(1,0)", R"(,"system":"2")")) ==
        "they are of unfinished copies of different servers or different columns");
  CHECK(reason(copy("(9,0)"), R"({"version":1,"xmin":5})") ==
        "the position of an unfinished copy is not known");
}

TEST_CASE("bookmarks of incremental streams are compared by the key's value") {
  CHECK(compare_keys("9", "10") == '<');
  CHECK(compare_keys("-9", "-10") == '>');
  CHECK(compare_keys("9", "9.0") == '=');
  CHECK(compare_keys("0.09", "0.1") == '<');
  CHECK(compare_keys("1e3", "999.5") == '>');
  CHECK(compare_keys("-1", "0") == '<');
  CHECK(compare_keys("null", "0") == '<');
  CHECK(compare_keys(R"("99999999999999999999.1")", R"("99999999999999999999.2")") == '<');
  CHECK(compare_keys(R"("100000000000000000000")", "7") == '>');
  CHECK(compare_keys("false", "true") == '<');
  CHECK(compare_keys(R"("2026-01-31T08:15:30+00:00")", R"("2026-01-31T08:15:30.5+00:00")") == '<');
  CHECK(compare_keys(R"("2026-01-31T08:15:30.123456+00:00")", R"("2026-01-31T08:15:30.12+00:00")") == '>');
  CHECK(compare_keys(R"("08:15:30")", R"("12:00:00.5")") == '<');
  CHECK(compare_keys(R"("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")",
                     R"("b0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")") == '<');
  CHECK(compare_keys(R"("12:00:00+02:00")", R"("12:00:00+01:00")") == '?');
  CHECK(compare_keys(R"("10")", R"("9")") == '?');
  CHECK(compare_keys(R"("infinity")", R"("2026-01-31T08:15:30+00:00")") == '?');
  CHECK(compare_keys(R"("0044-03-15 BC")", R"("0044-03-15T00:00:00+00:00")") == '?');
  CHECK(compare_keys("9007199254740993", R"("9007199254740994")") == '<');  // of an earlier version
  CHECK(compare_keys(R"("9007199254740993")", "9007199254740993") == '=');
  CHECK(compare_keys(R"("-9007199254740993")", R"("-9007199254740994")") == '>');
  CHECK(compare_keys("999999999999999", R"("1000000000000000")") == '<');
  CHECK(compare_keys("1", "true") == '?');
  CHECK(compare(R"({"version":1,"replication_key":"k"})",
                R"({"version":1,"replication_key":"k","replication_key_value":5})") == '<');
  CHECK(compare(R"({"version":1,"replication_key":"k","replication_key_value":5,"where":"a"})",
                R"({"version":1,"replication_key":"k","replication_key_value":6,"where_changed":true})") ==
        '<');
  CHECK(reason(R"({"version":1,"replication_key":"k","replication_key_value":5})",
               R"({"version":1,"replication_key":"l","replication_key_value":5})") ==
        R"(their replication keys are "k" and "l")");
}

TEST_CASE("bookmarks whose order only the server knows have a time") {
  Json bookmark = parse_json(R"({"version":1,"replication_key":"k"})", "b");
  sync::set_key_value(bookmark, 5);
  CHECK(to_text(bookmark) == R"({"version":1,"replication_key":"k","replication_key_value":5})");
  sync::set_key_value(bookmark, "a");
  const Json first = bookmark;
  const auto set_at = [](const Json& of) { return of.at("replication_key_set_at").get<std::int64_t>(); };
  CHECK(set_at(first) > 1'700'000'000'000);
  sync::set_key_value(bookmark, "a");
  CHECK(bookmark == first);
  sync::set_key_value(bookmark, "B");
  CHECK(set_at(bookmark) > set_at(first));
  CHECK(compare(to_text(first), to_text(bookmark)) == '<');
}

TEST_CASE("of three states the one that is newer than both others counts") {
  const auto with = [](const std::string& bookmark) { return R"({"bookmarks":{"s":)" + bookmark + "}}"; };
  const std::string newest = R"({"version":2,"xmin":null})";
  CHECK(merge({with(copy("(9,0)")), with(copy("(1,0)", "", "9:9:", R"("leaf":5,"relfilenode":7)")),
               with(newest)}) == R"({"bookmarks":{"s":)" + newest + R"(},"currently_syncing":null})");
}
