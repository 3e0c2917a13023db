// SPDX-License-Identifier: Apache-2.0
#include <tap/base/buffer.hpp>
#include <tap/base/cursor.hpp>
#include <tap/base/error.hpp>
#include <tap/base/json.hpp>
#include <tap/base/text.hpp>

#include "catch.hpp"

using namespace tap;
using namespace std::string_literals;
using namespace std::string_view_literals;

namespace {

std::string json_string(std::string_view text) {
  Buffer out;
  append_json_string(out, text);
  return std::string(out.view());
}

/// Parses a document and writes it.
std::string rewrite(std::string_view text) {
  return to_text(parse_json(text, "test.json"));
}

}  // namespace

TEST_CASE("a buffer keeps its contents while it grows") {
  Buffer buffer;
  std::string expected;
  for (int i = 0; i < 5000; ++i) {
    buffer.append("ab");
    buffer.push('c');
    expected += "abc";
  }
  CHECK(buffer.view() == expected);
  buffer.truncate(4);
  CHECK(buffer.view() == "abca");
  buffer.shrink(10);
  CHECK(buffer.empty());
  buffer.append("again");
  CHECK(buffer.view() == "again");
}

TEST_CASE("a cursor reads big-endian values and refuses to go past the end") {
  Cursor cursor("\x01\xff\xfe\x00\x00\x00\x02\x80\x00\x00\x00\x00\x00\x00\x00xyz"sv);
  CHECK(cursor.u8() == 1);
  CHECK(cursor.i16() == -2);
  CHECK(cursor.i32() == 2);
  CHECK(cursor.i64() == std::numeric_limits<std::int64_t>::min());
  CHECK(cursor.bytes(2) == "xy");
  REQUIRE_THROWS_AS(cursor.u16(), Error);
  CHECK(cursor.rest() == "z");
  CHECK(cursor.at_end());
  REQUIRE_THROWS_WITH(cursor.i32(), "a server message is truncated: expected 4 more bytes, found 0");
}

TEST_CASE("a cursor reads zero-terminated strings") {
  Cursor cursor("ab\0\0\1cd"sv);
  CHECK(cursor.c_string() == "ab");
  CHECK(cursor.c_string().empty());
  CHECK(cursor.u8() == 1);
  REQUIRE_THROWS_WITH(cursor.c_string(), "a server message is truncated: expected 1 more bytes, found 0");
}

TEST_CASE("any text becomes a valid JSON string") {
  CHECK(json_string("") == R"("")");
  CHECK(json_string("plain text, longer than one word") == R"("plain text, longer than one word")");
  CHECK(json_string("a \"quote\" and a \\ in the middle") == R"("a \"quote\" and a \\ in the middle")");
  CHECK(json_string("tab\tnl\ncr\rbs\bff\f") == R"("tab\tnl\ncr\rbs\bff\f")");
  CHECK(json_string("\x01\x1f\x7f\0"sv) == "\"\\u0001\\u001f\x7f\\u0000\"");
  CHECK(json_string("\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80") ==
        "\"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80\"");
}

TEST_CASE("bytes that are not UTF-8 become U+FFFD") {
  const std::string bad = "\xef\xbf\xbd";
  CHECK(json_string("a\xff"
                    "b") == "\"a" + bad + "b\"");
  CHECK(json_string("\xe4\xf6\xfc") == "\"" + bad + bad + bad + "\"");            // latin-1 umlauts
  CHECK(json_string("\xc0\xaf") == "\"" + bad + bad + "\"");                      // overlong slash
  CHECK(json_string("\xed\xa0\x80") == "\"" + bad + bad + bad + "\"");            // a surrogate
  CHECK(json_string("\xf4\x90\x80\x80") == "\"" + bad + bad + bad + bad + "\"");  // beyond U+10FFFF
  CHECK(json_string("cut \xe2\x82") == "\"cut " + bad + bad + "\"");
  CHECK(json_string(std::string(100, '\xff')) == [&] {
    std::string all = "\"";
    for (int i = 0; i < 100; ++i) {
      all += bad;
    }
    return all + "\"";
  }());
}

TEST_CASE("every ASCII character at every offset in a word parses back") {
  for (int byte = 1; byte < 0x80; ++byte) {
    for (std::size_t place = 0; place < 17; ++place) {
      std::string text(17, 'x');
      text[place] = static_cast<char>(byte);
      CHECK(nlohmann::json::parse(json_string(text)) == text);
    }
  }
}

TEST_CASE("every kind of character after every other parses back") {
  const std::vector<std::string> characters = {"x",    "\"",       "\\",           "\n",
                                               "\x01", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
  for (const std::string& first : characters) {
    for (const std::string& second : characters) {
      std::string text;
      for (std::size_t length = 0; length < 20; ++length) {
        CHECK(nlohmann::json::parse(json_string(text + first + second + first)) ==
              text + first + second + first);
        text += 'x';
      }
    }
  }
}

TEST_CASE("a document keeps the order of its keys and every digit of its numbers") {
  CHECK(rewrite(R"({"b": 1, "a": [true, null, {"z": "ü", "y": []}], "e": {}})") ==
        R"({"b":1,"a":[true,null,{"z":"ü","y":[]}],"e":{}})");
  const std::string big = "1" + std::string(62, '0');
  CHECK(rewrite(R"({"maximum": )" + big + R"(, "multipleOf": 1e-38, "x": 1.10, "y": 1E+5, "z": -0.0})") ==
        R"({"maximum":)" + big + R"(,"multipleOf":1e-38,"x":1.10,"y":1E+5,"z":-0.0})");
  CHECK(rewrite("[18446744073709551615,-9223372036854775808,18446744073709551616]") ==
        "[18446744073709551615,-9223372036854775808,18446744073709551616]");
}

TEST_CASE("the last of several members with one key counts, also in a large object") {
  std::string members;
  std::string expected;
  for (int i = 0; i < 40; ++i) {
    members += "\"k" + std::to_string(i) + "\":[" + std::to_string(i) + "],";
    expected +=
        "\"k" + std::to_string(i) + "\":" + (i % 30 == 1 ? "\"new\"" : "[" + std::to_string(i) + "]") + ",";
  }
  CHECK(rewrite("{" + members + R"("k1":"new","z":{"k2":2},"k31":"new"})") ==
        "{" + expected + R"("z":{"k2":2}})");
}

TEST_CASE("an indented document has one member per line") {
  CHECK(to_text(parse_json(R"({"a":[1,{"b":2}],"c":{},"d":[]})", "t"), 2) == R"({
  "a": [
    1,
    {
      "b": 2
    }
  ],
  "c": {},
  "d": []
})");
}

TEST_CASE("a JSON syntax error names the file, line and column") {
  REQUIRE_THROWS_WITH(parse_json("{\"a\": 1,\n  oops}", "catalog.json"),
                      "catalog.json: not valid JSON at line 2, column 3");
  REQUIRE_THROWS_WITH(parse_json("", "c.json"), "c.json: not valid JSON at line 1, column 1");
  REQUIRE_THROWS_WITH(parse_json("{} {}", "c.json"), "c.json: not valid JSON at line 1, column 4");
}

TEST_CASE("text is UTF-8 if all its bytes are") {
  CHECK(is_utf8(""));
  CHECK(is_utf8("a caf\u00e9 \u65e5\u672c \U0001F600"));
  for (const std::string_view invalid : {"\xe9", "caf\xe9 ", "\xf0\x9f\x98", "\xed\xa0\x80", "\xc0\xaf"}) {
    CHECK_FALSE(is_utf8(invalid));
  }
}

TEST_CASE("characters that act on a terminal are escaped") {
  CHECK(to_printable_line("caf\u00e9 \u65e5\u672c \U0001F600 'x' \"y\" \\") ==
        "caf\u00e9 \u65e5\u672c \U0001F600 'x' \"y\" \\");
  CHECK(to_printable_line("a\nb\rc\td") == R"(a\nb\rc\td)");
  CHECK(to_printable_line("\x1b[2J\x07\x7f"s + '\0') == R"(\u001b[2J\u0007\u007f\u0000)");
  CHECK(to_printable_line("\xc2\x80\xc2\x9b\xc2\x9f\xc2\xa0") == "\\u0080\\u009b\\u009f\xc2\xa0");
  CHECK(to_printable_line("\u061c\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069") ==
        R"(\u061c\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069)");
  CHECK(to_printable_line("\xff caf\xe9 \xed\xa0\x80 \xc2") == R"(\xff caf\xe9 \xed\xa0\x80 \xc2)");
}
