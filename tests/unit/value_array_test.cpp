// SPDX-License-Identifier: Apache-2.0
#include "value_support.hpp"

using namespace tap;
using namespace tap::value;

namespace {

/// An array's header: the length and lower bound of each dimension.
std::string header(const std::vector<std::pair<int, int>>& dimensions, int element = 0) {
  std::string bytes = int32(static_cast<std::int64_t>(dimensions.size())) + int32(0) + int32(element);
  for (const auto& [length, lower_bound] : dimensions) {
    bytes += int32(length) + int32(lower_bound);
  }
  return bytes;
}

const std::string kNull = int32(-1);

}  // namespace

TEST_CASE("an array is a JSON array; NULL elements are null, and bounds are dropped") {
  const std::string one = sized(int32(1));
  const std::string two = sized(int32(2));
  check_both("int4[]", header({}), "{}", "[]");
  check_both("int4[]", header({{3, 1}}) + one + kNull + two, "{1,NULL,2}", "[1,null,2]");
  check_both("int4[]", header({{2, 0}}) + one + two, "[0:1]={1,2}", "[1,2]");
  check_both("int4[]", header({{2, -5}, {1, 1}}) + one + two, "[-5:-4][1:1]={{1},{2}}", "[[1],[2]]");
}

TEST_CASE("dimensions are nested JSON arrays") {
  const auto number = [](int value) { return sized(int32(value)); };
  check_both("int4[]", header({{2, 1}, {2, 1}}) + number(1) + number(2) + number(3) + number(4),
             "{{1,2},{3,4}}", "[[1,2],[3,4]]");
  check_both("int4[]", header({{1, 1}, {1, 1}, {1, 1}, {1, 1}, {1, 1}, {2, 1}}) + number(1) + kNull,
             "{{{{{{1,NULL}}}}}}", "[[[[[[1,null]]]]]]");
}

TEST_CASE("elements are encoded like values of their type") {
  const Log quiet;
  check_both("text[]",
             header({{8, 1}}) + sized("a") + sized("b c") + kNull + sized("NULL") + sized("q\"x") +
                 sized("back\\slash") + sized("com,ma") + sized("{}"),
             R"({a,"b c",NULL,"NULL","q\"x","back\\slash","com,ma","{}"})",
             R"(["a","b c",null,"NULL","q\"x","back\\slash","com,ma","{}"])");
  check_both("text[]", header({{3, 1}}) + sized("") + sized("\\") + sized("\"\\\""), R"({"","\\","\"\\\""})",
             R"(["","\\","\"\\\""])");
  check_both("bool[]", header({{2, 1}}) + sized("\1") + sized(std::string(1, '\0')), "{t,f}", "[true,false]");
  check_both("timestamp[]", header({{2, 1}}) + sized(int64(0)) + sized(int64(9223372036854775807)),
             R"({"2000-01-01 00:00:00",infinity})",
             R"(["2000-01-01T00:00:00+00:00","9999-12-31T23:59:59.999+00:00"])");
  check_both("jsonb[]", header({{1, 1}}) + sized("\1{\"a\": 1}"), R"({"{\"a\": 1}"})", R"(["{\"a\": 1}"])");
  check_both("jsonb[]", header({{1, 1}}) + sized("\1{\"a\": 1}"), R"({"{\"a\": 1}"})", R"([{"a":1}])",
             {.json_as_object = true});
  check_both("hstore[]", header({{1, 1}}) + sized(int32(2) + sized("a") + sized("1") + sized("b") + kNull),
             R"({"\"a\"=>\"1\", \"b\"=>NULL"})", R"([{"a":"1","b":null}])");
  check_both("bytea[]", header({{1, 1}}) + sized("\x01"), R"({"\\x01"})", R"(["\\x01"])");
  check_both("mood[]", header({{2, 1}}) + sized("ok") + sized("Happy Day"), R"({ok,"Happy Day"})",
             R"(["ok","Happy Day"])");
  check_both("posint[]", header({{1, 1}}) + sized(int32(5)), "{5}", "[5]");
}

TEST_CASE("arrays of types without a binary encoder are arrays of strings") {
  CHECK(from_text("interval[]", R"({"1 day"})") == R"(["1 day"])");
  CHECK(from_text("pair[]", R"-({"(1,x)",NULL})-") == R"-(["(1,x)",null])-");
  CHECK(from_text("point[]", R"-({"(1,2)"})-") == R"-(["(1,2)"])-");
  CHECK(from_text("bit[]", "{1,0,NULL}") == "[true,false,null]");
  CHECK(from_text("bit[]", "{101,000}") == R"(["101","000"])");
}

TEST_CASE("a type's own delimiter separates its elements") {
  CHECK(from_text("box[]", "{(1,1),(0,0);(2,2),(0,0)}") == R"-(["(1,1),(0,0)","(2,2),(0,0)"])-");
}

TEST_CASE("an array of a domain over an array is an array of arrays") {
  const std::string one_two = header({{2, 1}}) + sized(int32(1)) + sized(int32(2));
  check_both("intarr", one_two, "{1,2}", "[1,2]");
  check_both("intarr[]", header({{3, 1}}, 20013) + sized(one_two) + kNull + sized(header({})),
             R"({"{1,2}",NULL,"{}"})", "[[1,2],null,[]]");
}

TEST_CASE("a malformed array is refused") {
  const std::string bytes = header({{2, 1}, {1, 1}}) + sized("a\"b") + kNull;
  check_cuts("text[]", Format::binary, bytes);
  check_cuts("text[]", Format::text, R"([0:1][3:4]={{"a\"b",NULL},{c,"}"}})");
  CHECK_THROWS_AS(from_binary("text[]", bytes + "x"), Error);
  CHECK_THROWS_AS(from_binary("text[]", header({}) + "x"), Error);
  CHECK_THROWS_AS(from_binary("text[]", header({{0, 1}})), Error);
  CHECK_THROWS_AS(from_binary("text[]", header({{-1, 1}})), Error);
  CHECK_THROWS_AS(from_binary("text[]", header({{2147483647, 1}, {2147483647, 1}})), Error);
  CHECK_THROWS_AS(from_binary("text[]", header({{1, 1}}) + int32(-2)), Error);
  CHECK_THROWS_AS(
      from_binary("text[]", header({{1, 1}, {1, 1}, {1, 1}, {1, 1}, {1, 1}, {1, 1}, {1, 1}}) + kNull), Error);
  CHECK_THROWS_AS(from_binary("text[]", int32(-1) + int32(0) + int32(0)), Error);
  CHECK_THROWS_AS(from_binary("int4[]", header({{1, 1}}) + sized("abc")), Error);
  const auto text =
      GENERATE(as<std::string>(), "", "1", "{", "}", "{1", "{1,", "{1,}", "{,1}", "{1}}", "{1}{2}", "{{1}",
               "[0:1]", "[0:1]=", "[0:1]1", "{1}x", "{\"1}", "{\"1\\\"}", "{\"1\"2}", "{{},");
  CAPTURE(text);
  CHECK_THROWS_AS(from_text("int4[]", text), Error);
}
