// SPDX-License-Identifier: Apache-2.0
// Ranges and multiranges in binary format.
#include "value_support.hpp"

using namespace tap;
using namespace tap::value;

namespace {

constexpr char kEmpty = 0x01;
constexpr char kIncludesLower = 0x02;
constexpr char kIncludesUpper = 0x04;
constexpr char kNoLower = 0x08;
constexpr char kNoUpper = 0x10;

std::string range(int flags, const std::string& bounds = "") {
  return static_cast<char>(flags) + bounds;
}

std::string timestamp(std::int64_t seconds) {
  return int64(seconds * 1'000'000);
}

/// A numeric of one group of four digits.
std::string numeric(int digits, int sign = 0, int scale = 0) {
  return int16(1) + int16(0) + int16(sign) + int16(scale) + int16(digits);
}

std::string varbit(int count, const std::string& bytes) {
  return int32(count) + bytes;
}

}  // namespace

TEST_CASE("a range is the server's text") {
  const auto [type, binary, text] = GENERATE(table<std::string, std::string, std::string>({
      {"int4range", range(kEmpty), "empty"},
      {"int4range", range(kIncludesLower, sized(int32(1)) + sized(int32(5))), "[1,5)"},
      {"int4range", range(kNoLower | kIncludesUpper, sized(int32(-5))), "(,-5]"},
      {"int4range", range(kIncludesLower | kNoUpper, sized(int32(-2'147'483'648))), "[-2147483648,)"},
      {"int4range", range(kNoLower | kNoUpper), "(,)"},
      {"numrange", range(kIncludesUpper, sized(numeric(1)) + sized(numeric(0, 0xC000))), "(1,NaN]"},
      {"numrange", range(0, sized(numeric(2, 0x4000, 2)) + sized(numeric(0, 0xD000))), "(-2.00,Infinity)"},
      {"pricerange", range(kNoUpper, sized(numeric(1, 0, 2))), "(1.00,)"},
      {"daterange", range(kIncludesLower, sized(int32(0)) + sized(int32(0x7FFFFFFF))),
       "[2000-01-01,infinity)"},
      {"timerange", range(kIncludesLower, sized(int64(0)) + sized(int64(86'400'000'000))),
       "[00:00:00,24:00:00)"},
      {"zonedrange", range(kNoLower, sized(int64(500'000) + int32(-19'800))), "(,00:00:00.5+05:30)"},
      {"zonedrange", range(kNoLower, sized(int64(0) + int32(18'000))), "(,00:00:00-05)"},
      {"zonedrange", range(kNoLower, sized(int64(0) + int32(1))), "(,00:00:00-00:00:01)"},
      {"bitsrange", range(kNoLower, sized(varbit(2, "\x80"))), "(,10)"},
  }));
  CAPTURE(type, text);
  check_both(type, binary, text, "\"" + text + "\"");
  check_cuts(type, Format::binary, binary);
  CHECK_THROWS_AS(from_binary(type, binary + "x"), Error);
}

TEST_CASE("bounds that are empty or contain blanks are quoted") {
  check_both("tsrange", range(kIncludesLower, sized(timestamp(0)) + sized(timestamp(-1))),
             R"(["2000-01-01 00:00:00","1999-12-31 23:59:59"))",
             R"-("[\"2000-01-01 00:00:00\",\"1999-12-31 23:59:59\")")-");
  check_both("tsrange", range(kNoLower, sized(int64(1'500'000))), R"-((,"2000-01-01 00:00:01.5"))-",
             R"-("(,\"2000-01-01 00:00:01.5\")")-");
  check_both("tstzrange", range(kNoUpper, sized(timestamp(0))), R"-(("2000-01-01 00:00:00+00",))-",
             R"-("(\"2000-01-01 00:00:00+00\",)")-");
  check_both("tstzrange", range(kNoUpper, sized(int64(std::numeric_limits<std::int64_t>::min()))),
             "(-infinity,)", R"-("(-infinity,)")-");
  check_both("daterange", range(kNoUpper, sized(int32(-730'120))), R"-(("0001-12-31 BC",))-",
             R"-("(\"0001-12-31 BC\",)")-");
  check_both("daterange", range(kNoUpper, sized(int32(2'921'940))), "(10000-01-01,)",
             R"-("(10000-01-01,)")-");
  check_both("bitsrange", range(kIncludesLower, sized(varbit(0, "")) + sized(varbit(1, "\x80"))),
             R"-(["",1))-", R"-("[\"\",1)")-");
}

TEST_CASE("ranges obey no setting of numbers or dates") {
  const EncodingOptions options = {.out_of_range_dates = EncodingOptions::OutOfRange::error,
                                   .numeric_as = EncodingOptions::NumericAs::decimal_string};
  check_both("numrange", range(kNoUpper, sized(numeric(0, 0xC000))), "(NaN,)", R"-("(NaN,)")-", options);
  check_both("daterange", range(kNoUpper, sized(int32(2'921'940))), "(10000-01-01,)", R"-("(10000-01-01,)")-",
             options);
}

TEST_CASE("a malformed range is refused") {
  const auto binary = GENERATE(
      range(0x80, sized(int32(1)) + sized(int32(5))), range(0x20, sized(int32(1)) + sized(int32(5))),
      range(0x40 | kNoLower | kNoUpper), range(kEmpty, sized(int32(1))), range(kNoUpper, int32(-1)),
      range(kNoUpper, int32(-2)), range(kNoUpper, int32(5) + int32(1)), range(kNoUpper, sized(int64(1))),
      range(kNoUpper, sized("")), range(kNoUpper, sized(int32(1)) + sized(int32(5))));
  CHECK_THROWS_AS(from_binary("int4range", binary), Error);
}

TEST_CASE("a multirange is the server's text") {
  const std::string one = sized(range(kIncludesLower, sized(int32(1)) + sized(int32(3))));
  const std::string rest = sized(range(kIncludesLower | kNoUpper, sized(int32(7))));
  check_both("int4multirange", int32(0), "{}", R"("{}")");
  check_both("int4multirange", int32(1) + one, "{[1,3)}", R"-("{[1,3)}")-");
  check_both("int4multirange", int32(2) + one + rest, "{[1,3),[7,)}", R"-("{[1,3),[7,)}")-");
  check_both("tsmultirange", int32(1) + sized(range(kNoUpper, sized(timestamp(0)))),
             R"-({("2000-01-01 00:00:00",)})-", R"-("{(\"2000-01-01 00:00:00\",)}")-");
  check_cuts("int4multirange", Format::binary, int32(2) + one + rest);
  const auto binary = GENERATE_COPY(int32(2) + one, int32(1) + one + one, int32(-1), int32(1) + int32(-1),
                                    int32(1) + sized(""), int32(0x7FFFFFFF) + one,
                                    int32(1) + sized(range(kNoUpper, sized(int32(1)) + "x")));
  CHECK_THROWS_AS(from_binary("int4multirange", binary), Error);
}

TEST_CASE("arrays of ranges, and domains over them") {
  const std::string one = range(kNoUpper, sized(timestamp(0)));
  check_both("tsrange[]", int32(1) + int32(1) + int32(3908) + int32(2) + int32(1) + sized(one) + int32(-1),
             R"-({"(\"2000-01-01 00:00:00\",)",NULL})-", R"-(["(\"2000-01-01 00:00:00\",)",null])-");
  check_both("period", one, R"-(("2000-01-01 00:00:00",))-", R"-("(\"2000-01-01 00:00:00\",)")-");
}
