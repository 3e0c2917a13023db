// SPDX-License-Identifier: Apache-2.0
#include "samples.hpp"

#include <algorithm>
#include <cstdint>

#include <spdlog/fmt/fmt.h>

namespace tap::test {

const char* const kMakeTypes = R"sql(
CREATE SCHEMA value_test;
CREATE EXTENSION hstore SCHEMA value_test;
CREATE EXTENSION citext SCHEMA value_test;
CREATE TYPE value_test.mood AS ENUM ('ok', 'Happy Day', 'q"uo,te', '{}', '');
CREATE TYPE value_test.pair AS (number int, word text);
CREATE DOMAIN value_test.posint AS int CHECK (VALUE > 0);
CREATE DOMAIN value_test.price AS numeric(12, 2);
CREATE DOMAIN value_test.net_price AS value_test.price;
CREATE DOMAIN value_test.word AS varchar(10);
CREATE DOMAIN value_test.span AS interval;
CREATE DOMAIN value_test.intarr AS int[];
CREATE DOMAIN value_test.boxarr AS box[];
CREATE TYPE value_test.timerange AS RANGE (subtype = time);
CREATE TYPE value_test.zonedrange AS RANGE (subtype = timetz);
CREATE TYPE value_test.spanrange AS RANGE (subtype = interval);
CREATE TYPE value_test.inetrange AS RANGE (subtype = inet);
CREATE TYPE value_test.bitsrange AS RANGE (subtype = varbit);
CREATE TYPE value_test.floatrange AS RANGE (subtype = float8);
CREATE TYPE value_test.realrange AS RANGE (subtype = real);
CREATE TYPE value_test.textrange AS RANGE (subtype = text);
CREATE TYPE value_test.pricerange AS RANGE (subtype = value_test.net_price);
CREATE DOMAIN value_test.period AS tsrange;
)sql";
const char* const kMakeTypesSince11 = "CREATE DOMAIN value_test.pricearr AS value_test.price[]";

const std::vector<std::string> kAnyLiterals = {
    "",
    "1",
    "-1",
    "a",
    "t",
    "-",
    "0/0",
    "1:1:",
    "(1,2)",
    "(0,1)",
    "1 2",
    "{1,2,3}",
    "(1,2),(3,4)",
    "<(1,2),3>",
    "[(1,2),(3,4)]",
    "((0,0),(1,1),(2,0))",
    "[1,2)",
    "empty",
    "{[1,2)}",
    "[2000-01-01,2001-01-01)",
    "{[2000-01-01,2001-01-01)}",
    "08:00:2b:01:02:03",
    "08:00:2b:01:02:03:04:05",
    "10.1.2.0/24",
    "::1",
    "2000-01-01",
    "infinity",
    "12:00",
    "24:00:00+05:30:15",
    "1 day",
    "-1 mon 2 days -3:04:05.6",
    "101",
    "fat & (rat | cat)",
    "a fat cat:3A",
    "$.a[*] ? (@ > 1)",
    "pg_class",
    "int4",
    "10:20:10,14,15",
    "=r/tap",
    "<a b=\"c\">d &amp; \n</a>",
    "\\x00ff",
    "[1, {\"a\": null}]",
    "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
    "$1,234.50",
    "magnetic disk",
    R"([{"attributes": [2, 3], "ndistinct": 4}])",
    R"([{"attributes": [2], "dependency": 3, "degree": 1.0}])",
    "[\"2000-01-01\" \"2001-01-01\"]",
};

namespace {

/// All control characters, and text that is difficult to parse.
std::vector<std::string> edge_texts() {
  std::vector<std::string> texts = {"",
                                    " ",
                                    "NULL",
                                    "null",
                                    "{}",
                                    "a,b",
                                    "it's",
                                    "q\"x",
                                    "back\\",
                                    "\\",
                                    "\"",
                                    "{\"a\":1}",
                                    "line\n",
                                    "\r\n\t\b\f",
                                    "\u00e9",
                                    "\u20ac\u2028",
                                    "\U0001F600\U0010FFFF",
                                    "\\u0000",
                                    "a=>b",
                                    std::string(5000, 'x')};
  for (char control = 1; control < 0x20; ++control) {
    texts.emplace_back(1, control);
  }
  texts.emplace_back("\x7f");
  return texts;
}

}  // namespace

std::vector<Samples> samples(const Database& database) {
  const auto quoted = [&database](std::vector<std::string> texts) {
    for (std::string& text : texts) {
      text = database.quote(text);
    }
    return texts;
  };
  const auto any_string = [&database](Random& random) { return database.quote(any_text(random)); };
  const auto any_short_string = [&database](Random& random) {
    return "left(" + database.quote(any_text(random)) + ", 5)";
  };
  const auto any_of_bits = [](int bits) {
    return [bits](Random& random) { return fmt::format("({})", any_integer(random) >> (64 - bits)); };
  };
  const auto any_document = [&database](Random& random) { return database.quote(any_json(random)); };
  const auto any_hstore = [&database](Random& random) {
    const auto pair = [&] {
      return fmt::format("value_test.hstore({}, {})", database.quote(any_text(random)),
                         random() % 4 == 0 ? "NULL" : database.quote(any_text(random)));
    };
    return fmt::format("{} OPERATOR(value_test.||) {} OPERATOR(value_test.||) {}", pair(), pair(), pair());
  };
  const std::vector<std::string> floats = {"'NaN'",     "'Infinity'", "'-Infinity'", "'-0'",   "0",    "1",
                                           "1.1",       "0.1",        "1e-5",        "0.0001", "1e15", "1e16",
                                           "123456789", "16777216",   "1e-37",       "3.4e38"};
  std::vector<std::string> doubles = floats;
  doubles.insert(doubles.end(),
                 {"1.7976931348623157e308", "'5e-324'", "9007199254740993", "5.684341886080802e-14",
                  "9999999999999998", "2.2250738585072014e-308", "1e23", "1e22"});
  const std::vector<std::string> numerics = {"'NaN'",
                                             "0",
                                             "0.0",
                                             "0.000000",
                                             "0.0000000",
                                             "1.10",
                                             "-0.5",
                                             "'0.0000001'",
                                             "'0.00000010'",
                                             "-0.000001",
                                             "'1e-38'",
                                             "1e20",
                                             "10000",
                                             "9999",
                                             "100000000",
                                             "99999999.0001",
                                             "'1e-1000'",
                                             "('1' || repeat('0', 999))::numeric",
                                             "(repeat('9', 500) || '.' || repeat('9', 500))::numeric",
                                             "-12345678901234567890.123456789"};
  const std::vector<std::string> days = {
      "'infinity'",   "'-infinity'",   "'0044-03-15 BC'", "'0001-12-31 BC'", "'0001-01-01'",
      "'9999-12-31'", "'10000-01-01'", "'12000-01-01'",   "'4713-01-01 BC'", "'2000-02-29'",
      "'1999-12-31'", "'1970-01-01'",  "'1900-03-01'"};
  std::vector<std::string> dates = days;
  dates.insert(dates.end(), {"'5874897-12-31'", "'4714-11-24 BC'"});
  std::vector<std::string> moments = days;
  moments.insert(moments.end(),
                 {"'294276-12-31 23:59:59.999999'", "'0001-12-31 23:59:59.999999 BC'",
                  "'9999-12-31 23:59:59.999999'", "'1999-12-31 23:59:59.999999'",
                  "'2000-01-01 00:00:00.000001'", "'1997-02-02 02:02:02.5'", "'0044-03-15 12:00:00.12 BC'"});
  const std::vector<std::string> times = {"'00:00:00'", "'24:00:00'", "'12:11:10.123'", "'23:59:59.999999'",
                                          "'00:00:00.000001'"};
  const std::vector<std::string> zoned = {"'24:00:00+00'",    "'12:11:10.5-04'",  "'12:00+05:30'",
                                          "'12:00+05:30:15'", "'00:00-15:59:59'", "'00:00+15:59:59'",
                                          "'12:00-00:00:15'"};
  const std::vector<std::string> documents =
      quoted({"{}", "[]", "null", "\"str\"", "1.50", "-0", "{\"a\": 1.50, \"a\":2,  \"b\\\"\":\"\\u00fc\"}",
              "[ 1,\n\t2 ]", "\"\\ud83d\\ude00 \\\\ \\\" / \\n\"", "[true, false, {\"a\": {\"b\": []}}]"});
  const std::vector<std::string> texts = quoted(edge_texts());

  // Coordinates for which the digits of a double are difficult: the bounds of fixed notation, and numbers
  // whose shortest digits are half-way to another double.
  std::vector<std::string> coordinates = doubles;
  coordinates.insert(
      coordinates.end(),
      {"999999999999999.9", "1e15", "100000000000000", "0.00009999999999999999", "9007199254740991",
       "9007199254740992", "1e17", "5e22", "2e22", "8e22", "1.2e23", "3e23", "9.5367431640625e16", "1e21",
       "123456789012345678", "4503599627370497.5", "2.5e15"});
  std::vector<std::string> points(coordinates.size());
  std::ranges::transform(coordinates, points.begin(), [](const std::string& number) {
    return fmt::format("point(({0})::float8, -({0})::float8)", number);
  });
  const auto any_point = [](Random& random) {
    return fmt::format("point({}, {})", any_double(random), any_double(random));
  };
  const auto any_points = [](const std::string& type, std::int64_t count, Random& random) {
    std::string text;
    for (std::int64_t i = 0; i < count; ++i) {
      text += fmt::format("{}({},{})", i == 0 ? "" : ",", any_double_text(random), any_double_text(random));
    }
    return fmt::format("'{}'::{}", type == "lseg" ? "[" + text + "]" : "(" + text + ")", type);
  };
  std::vector<Samples> all = {
      {"smallint", {"'-32768'", "32767", "0"}, any_of_bits(16)},
      {"int", {"'-2147483648'", "2147483647", "0"}, any_of_bits(32)},
      {"bigint", {"'-9223372036854775808'", "9223372036854775807", "0"}, any_of_bits(64)},
      {"real", floats, any_real},
      {"double precision", doubles, any_double},
      {"numeric", numerics, any_numeric},
      {"numeric(12,2)",
       {"'NaN'", "0", "1.1", "'-9999999999.99'"},
       [](Random& random) { return fmt::format("{}", between(random, -99999, 99999)); }},
      {"numeric(60,50)",
       {"0", "'1e-50'"},
       [](Random& random) {
         return fmt::format("0.{}{}", std::string(random() % 12, '0'), digits(random, 6));
       }},
      {"boolean", {"true", "false"}, {}},
      {"bit", {"B'0'", "B'1'"}, {}},
      {"bit(5)", {"B'10101'"}, {}},
      {"bit(16)", {"B'1010100000000001'"}, {}},
      {"bit varying", {"B''", "B'1'", "B'10101'", "B'00000000'", "B'111111111'"}, any_bits},
      {"text", texts, any_string},
      {"varchar", texts, any_string},
      {"varchar(5)", quoted({"", "a", "\u00e9\u00e9\u00e9\u00e9\u00e9"}), any_short_string},
      {"char(5)", quoted({"", "ab", "\u00e9"}), any_short_string},
      {"name", quoted({"n", "a\"b"}), any_string},
      {"value_test.citext", texts, any_string},
      {"value_test.mood", {"'ok'", "'Happy Day'", "'q\"uo,te'", "'{}'", "''"}, {}},
      {"bytea",
       {"''", "'\\x00'", "'\\x5c22ff0a'"},
       [](Random& random) { return fmt::format("'\\x{}'", hex(random, between(random, 0, 40))); }},
      {"uuid",
       {"'00000000-0000-0000-0000-000000000000'", "'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF'"},
       [](Random& random) { return fmt::format("'{}'", hex(random, 16)); }},
      {"date", dates, any_date},
      {"timestamp", moments, [](Random& random) { return any_moment(random, "timestamp"); }},
      {"timestamptz", moments, [](Random& random) { return any_moment(random, "timestamptz"); }},
      {"timestamp(3)", {"'1997-02-02 02:02:02.722184'"}, {}},
      {"time", times, [](Random& random) { return fmt::format("'{}'", any_time(random)); }},
      {"timetz", zoned, any_timetz},
      {"json", documents, any_document},
      {"jsonb", documents, any_document, 90400},
      {"value_test.hstore", quoted({"", "a=>1, b=>NULL, \"c d\"=>\"x\\\"y\"", "\"\"=>\"\""}), any_hstore},
      {"value_test.posint", {"1", "2147483647"}, {}},
      {"value_test.net_price", {"1.1", "'NaN'"}, {}},
      {"value_test.word", quoted({"", "a b"}), any_short_string},
      {"value_test.span", {"'1 day 2 hours'"}, {}},
      {"value_test.pair", {"(1, 'x')", "(NULL, 'a \"b\" \\')", "(NULL, NULL)"}, {}},
      {"interval",
       {"'0'",
        "'1 day 2 hours'",
        "'-1 mon -3:04:05.6'",
        "'1 year -2 mons'",
        "'-1 year 2 mons'",
        "'1 year -2 mons 3 days -4:05:06.7'",
        "'-1 day +2:00'",
        "'-1 mon 1 day 1 second'",
        "'1 mon'",
        "'-1 mons'",
        "'0.000001'",
        "'-0.5'",
        "'-10 hours'",
        "'100:00:00.12'",
        "'2 years 1 day'",
        "'-1 day'",
        "'178000000 years'",
        "'-178000000 years'",
        "'2147483647 days'",
        "'-2147483648 days'",
        "'2147483647:59:59.999999'"},
       any_interval},
      {"money", {"1234567.891", "'-5'"}, {}},
      {"inet",
       {"'10.1.2.3/32'",
        "'10.1.2.3/24'",
        "'0.0.0.0/0'",
        "'255.255.255.255'",
        "'::'",
        "'::/0'",
        "'::1'",
        "'1::'",
        "'::ffff:1.2.3.4'",
        "'::ffff:1.2.3.4/96'",
        "'::1.2.3.4'",
        "'::ffff:0:1'",
        "'::1:2:3:4'",
        "'1:2:3:4:5:6:7:0'",
        "'0:2:3:4:5:6:7:8'",
        "'0:0:3:4:5:6:7:8'",
        "'1:0:0:4:0:0:0:8'",
        "'1:0:0:4:5:0:0:8'",
        "'2001:db8::1/64'",
        "'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/127'"},
       any_inet},
      {"cidr",
       {"'10.1.0.0/16'", "'10.1.2.3'", "'0.0.0.0/0'", "'::1'", "'::/0'", "'2001:db8::/32'"},
       [](Random& random) { return fmt::format("network({})", any_inet(random)); }},
      {"macaddr",
       {"'08:00:2b:01:02:ff'"},
       [](Random& random) { return fmt::format("'{}'", hex(random, 6)); }},
      {"macaddr8",
       {"'08:00:2b:01:02:03:04:ff'"},
       [](Random& random) { return fmt::format("'{}'", hex(random, 8)); },
       100000},
      {"oid", {"0", "4294967295"}, {}},
      {"xid", {"'0'", "'4294967295'"}, {}},
      {"cid", {"'0'", "'4294967295'"}, {}},
      {"tid", {"'(0,1)'", "'(4294967295,65535)'"}, {}},
      {"xid8", {"'0'", "'18446744073709551615'"}, {}, 130000},
      {"pg_lsn",
       {"'0/0'", "'16/B374D848'", "'0/1F'", "'FFFFFFFF/FFFFFFFF'"},
       [](Random& random) {
         return fmt::format("'{}/{}'", hex(random, between(random, 1, 4)), hex(random, 4));
       },
       90400},
      {"txid_snapshot", {"'1:1:'", "'10:20:10,14,15'"}, any_snapshot},
      {"pg_snapshot", {"'1:1:'", "'10:20:10,14,15'"}, any_snapshot, 130000},
      {"tsvector", quoted({"", "a", "'it''s':1A,2B,3C,4D 'back\\\\slash' '\"' \u00e9:16383", " 'a b':1 c:2"}),
       [&database](Random& random) { return database.quote(any_tsvector(random)); }},
      {"jsonpath",
       quoted({"$", "strict $.a[*] ? (@ > 1.50)", "$.\"a\\\"b\\n\"",
               "$ ? (@ like_regex \"^\\\\d\" flag \"i\")"}),
       {},
       120000},
      {"refcursor", texts, any_string},
      {"point", points, any_point},
      {"lseg", {"'[(1,2),(3,4)]'"}, [any_points](Random& random) { return any_points("lseg", 2, random); }},
      {"box", {"'(1,2),(3,4)'"}, [any_points](Random& random) { return any_points("box", 2, random); }},
      {"path",
       {"'[(1,2)]'", "'((1,2))'", "'[(1,2),(3,4)]'", "'((1,2),(3,4),(-0.5,1e100))'"},
       [any_points](Random& random) {
         return fmt::format("{}({})", random() % 2 == 0 ? "pclose" : "popen",
                            any_points("path", between(random, 1, 5), random));
       }},
      {"polygon",
       {"'((1,2))'", "'((0,0),(0,1),(1,0))'"},
       [any_points](Random& random) { return any_points("polygon", between(random, 1, 5), random); }},
      {"line",
       {"'{1,-1,0}'", "'{0.1,0.2,1e23}'"},
       [](Random& random) {
         return fmt::format("'{{1,{},{}}}'", any_double_text(random), any_double_text(random));
       },
       90400},
      {"circle",
       {"'<(1,2),0.5>'", "'<(1,2),0>'"},
       [any_point](Random& random) {
         return fmt::format("circle({}, abs({}::float8))", any_point(random), any_double(random));
       }},
      {"xml",
       quoted({"<a/>", "a &amp; b", "<?xml version=\"1.0\"?>\n<a/>", "<?xml version=\"1.1\"?><a/>",
               "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\n<a>\u00e9</a>",
               "<?xml version=\"1.0\" encoding=\"LATIN1\" standalone=\"yes\"?><a>\u20ac</a>",
               "<?xml version=\"1.0\" standalone=\"no\"?>\n<a b=\"c\"/>"}),
       {}},
      {"value_test.period", {"'[2024-01-01,2024-01-02 03:04:05.6)'"}, {}},
  };
  const std::vector<Samples> ranges = range_samples(database);
  all.insert(all.end(), ranges.begin(), ranges.end());
  return all;
}

}  // namespace tap::test
