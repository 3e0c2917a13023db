// SPDX-License-Identifier: Apache-2.0
#include "value_support.hpp"

using namespace tap;
using namespace tap::value;

namespace {

constexpr EncodingOptions kJsonAsObject = {.json_as_object = true};

std::string jsonb(const std::string& document) {
  return '\1' + document;
}

/// The binary format of an hstore: the number of pairs, then each text after its length.
const std::string kPairs =
    int32(3) + sized("a") + sized("1") + sized("b") + int32(-1) + sized("c d") + sized("x\"y\\");

}  // namespace

TEST_CASE("text-like types are strings of the server's text") {
  const auto type =
      GENERATE(as<std::string>(), "text", "varchar", "bpchar", "name", "citext", "mood", "xml", "refcursor");
  check_both(type, "", "", R"("")");
  check_both(type, "ab   ", "ab   ", R"("ab   ")");
  check_both(type, "tab\tnl\nquote\"back\\ \xC3\xA9 \xF0\x9F\x98\x80",
             "tab\tnl\nquote\"back\\ \xC3\xA9 \xF0\x9F\x98\x80",
             "\"tab\\tnl\\nquote\\\"back\\\\ \xC3\xA9 \xF0\x9F\x98\x80\"");
  check_both(type, "\x01\x1F\x7F", "\x01\x1F\x7F", "\"\\u0001\\u001f\x7F\"");
  check_both(type, "caf\xE9", "caf\xE9", "\"caf\xEF\xBF\xBD\"");
}

TEST_CASE("types without a binary encoder are strings of the output function's text") {
  CHECK(from_text("money", "-$5.00") == R"("-$5.00")");
  CHECK(from_text("pair", R"-((1,"a b"))-") == R"-("(1,\"a b\")")-");
  CHECK(from_text("tsquery", "'a' & 'b'") == R"("'a' & 'b'")");
  CHECK(from_text("oidvector", "1 2") == R"("1 2")");
}

TEST_CASE("bytea is hex") {
  check_both("bytea", "", "\\x", R"("\\x")");
  check_both("bytea", std::string("\x00\x7F\xFF\n\"", 5), "\\x007fff0a22", R"("\\x007fff0a22")");
}

TEST_CASE("uuid is lower-case text") {
  const std::string bytes = "\xA0\xEE\xBC\x99\x9C\x0B\x4E\xF8\xBB\x6D\x6B\xB9\xBD\x38\x0A\x11";
  check_both("uuid", bytes, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
             R"("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")");
  check_cuts("uuid", Format::binary, bytes);
  CHECK_THROWS_AS(from_binary("uuid", bytes + "x"), Error);
}

TEST_CASE("json and jsonb are strings of the server's text") {
  const std::string document = R"({"a": 1.50, "a":2,  "b":"\u00fc"})";
  const std::string json = R"("{\"a\": 1.50, \"a\":2,  \"b\":\"\\u00fc\"}")";
  check_both("json", document, document, json);
  check_both("jsonb", jsonb(document), document, json);
  check_both("jsonb", jsonb("null"), "null", R"("null")");
}

TEST_CASE("json as a JSON value loses the whitespace outside of strings") {
  const auto [document, json] = GENERATE(table<std::string, std::string>({
      {"null", "null"},
      {" 1.50\n", "1.50"},
      {R"("a b")", R"("a b")"},
      {"{\"a\" : 1,\r\n\t\"b c\": [true, { }]}", R"({"a":1,"b c":[true,{}]})"},
      {R"(["\"", "\\", "a \\\" b", "[{"])", R"(["\"","\\","a \\\" b","[{"])"},
      {"[\"\xC3\xA9 \xF0\x9F\x98\x80\"]", "[\"\xC3\xA9 \xF0\x9F\x98\x80\"]"},
      {"[\"caf\xE9 \"]", "[\"caf\xEF\xBF\xBD \"]"},
      {R"(["\ud83d\ude00", "\u00fc"])", R"(["\ud83d\ude00","\u00fc"])"},
      {R"(["\ud83d", "\ude00 x", "\ud83dx"])", R"(["\ufffd","\ufffd x","\ufffdx"])"},
      {R"("\ud83d\ud83d\ude00")", R"("\ufffd\ud83d\ude00")"},
      {R"({"a": 1, "a": 1e400})", R"({"a":1,"a":1e400})"},
  }));
  check_both("json", document, document, json, kJsonAsObject);
  check_both("jsonb", jsonb(document), document, json, kJsonAsObject);
}

TEST_CASE("a malformed JSON document is refused, not written into a record") {
  const auto document =
      GENERATE(as<std::string>(), "", " ", "{", "[1", "]", "[1]]", R"("a)", R"("a\)", "\"a\nb\"", R"("\u12)",
               R"("\ud83d\ud)",
               // Balanced, but not JSON: it could close the record.
               R"(1},"version":2,"x":{)", R"(1,"id":2)", R"("a","b":"c")", "1 2", "1,2", "{}{}", "[] []", "a",
               "NaN", "Infinity", "nul", "nulll", "True", "{1:2}", R"({"a"})", R"({"a":})", R"({"a":1,})",
               R"({"a" 1})", R"({,})", "[1,]", "[,1]", "[1 2]", "[}", "{]", R"({"a":1])", "[1}", "01", "-",
               "-a", "1.", ".5", "+1", "1e", "1e+", "0x10", "--1", "1.2.3", R"("\x41")", R"("\u00g0")",
               R"("\u 123")", R"("\u+123")", "'a'", "\f1",
               "\xC2\xA0"
               "1",
               "\xEF\xBB\xBF"
               "1",
               "[1]\f", "\x01", "/**/1", R"(["a" "b"])", R"({"a":1 "b":2})", R"({"a"::1})", ":", ",", "\"");
  CAPTURE(document);
  CHECK_THROWS_AS(from_text("json", document, kJsonAsObject), Error);
  CHECK_THROWS_AS(from_binary("jsonb", jsonb(document), kJsonAsObject), Error);
}

TEST_CASE("no beginning of a JSON document harms a record") {
  const std::string document = R"( {"a": [1, -2.5e+10, true, null, {"b": {}}], "c\u00fc\n": "d \ud83d\ude00 )"
                               "caf\xC3\xA9 long enough for words\", \"e\": [[], [0]]} ";
  check_cuts("json", Format::text, document, kJsonAsObject);
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  CHECK(from_text("json", deep, kJsonAsObject) == deep);
  CHECK_THROWS_AS(from_text("json", deep + "]", kJsonAsObject), Error);
  CHECK_THROWS_AS(from_text("json", deep.substr(1), kJsonAsObject), Error);
}

TEST_CASE("jsonb of another version is refused") {
  CHECK_THROWS_AS(from_binary("jsonb", ""), Error);
  CHECK_THROWS_AS(from_binary("jsonb", "\2{}"), Error);
}

TEST_CASE("hstore is an object of strings and nulls in the server's order") {
  check_both("hstore", int32(0), "", "{}");
  check_both("hstore", kPairs, R"("a"=>"1", "b"=>NULL, "c d"=>"x\"y\\")",
             R"({"a":"1","b":null,"c d":"x\"y\\"})");
  check_both("hstore", int32(1) + sized("") + sized("NULL"), R"(""=>"NULL")", R"({"":"NULL"})");
  check_both("hstore", int32(1) + sized("a\n\xE9") + sized("=>, "), "\"a\n\xE9\"=>\"=>, \"",
             "{\"a\\n\xEF\xBF\xBD\":\"=>, \"}");
  check_both("hstore", int32(1) + sized("\\\\\"") + sized("\\"), R"("\\\\\""=>"\\")", R"({"\\\\\"":"\\"})");
}

TEST_CASE("a malformed hstore is refused") {
  check_cuts("hstore", Format::binary, kPairs);
  CHECK_THROWS_AS(from_binary("hstore", kPairs + "x"), Error);
  CHECK_THROWS_AS(from_binary("hstore", int32(-1)), Error);
  CHECK_THROWS_AS(from_binary("hstore", int32(1) + int32(-1) + sized("a")), Error);
  CHECK_THROWS_AS(from_binary("hstore", int32(1) + int32(-2) + sized("a")), Error);
  const auto text = GENERATE(as<std::string>(), "a", R"("a")", R"("a"=)", R"("a"=>1)",
                             R"("a"=>"1")"
                             R"( "b"=>NULL)",
                             R"("a"=>"1",)", R"("a"=>"1", )", R"("a"=>"1\)", R"("a"=>NULLx)");
  CAPTURE(text);
  CHECK_THROWS_AS(from_text("hstore", text), Error);
  check_cuts("hstore", Format::text, R"("a"=>"1", "b"=>NULL, "c d"=>"x\"y\\")");
}
