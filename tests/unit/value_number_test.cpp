// SPDX-License-Identifier: Apache-2.0
#include <bit>
#include <limits>

#include "value_support.hpp"

using namespace tap;
using namespace tap::value;

namespace {

std::string float4(float value) {
  return big_endian(std::bit_cast<std::uint32_t>(value));
}
std::string float8(double value) {
  return big_endian(std::bit_cast<std::uint64_t>(value));
}

/// The binary format of a numeric: weight of the first group, sign, scale, groups of four digits.
std::string numeric(int weight, int sign, int scale, const std::vector<int>& groups) {
  std::string bytes = int16(static_cast<int>(groups.size())) + int16(weight) + int16(sign) + int16(scale);
  for (const int group : groups) {
    bytes += int16(group);
  }
  return bytes;
}

const std::string kNan = numeric(0, 0xC000, 0, {});
const std::string kInfinity = numeric(0, 0xD000, 0, {});
const std::string kMinusInfinity = numeric(0, 0xF000, 0, {});

constexpr EncodingOptions kNonFiniteAsStrings = {.non_finite_numbers = EncodingOptions::NonFinite::string};
constexpr EncodingOptions kDecimalStrings = {.numeric_as = EncodingOptions::NumericAs::decimal_string};

}  // namespace

TEST_CASE("integers are written as their digits") {
  check_both("int2", int16(-32768), "-32768", "-32768");
  check_both("int2", int16(32767), "32767", "32767");
  check_both("int4", int32(0), "0", "0");
  check_both("int4", int32(-2147483648), "-2147483648", "-2147483648");
  check_both("int4", int32(2147483647), "2147483647", "2147483647");
  check_both("int8", int64(std::numeric_limits<std::int64_t>::min()), "-9223372036854775808",
             "-9223372036854775808");
  check_both("int8", int64(9223372036854775807), "9223372036854775807", "9223372036854775807");
  check_both("posint", int32(7), "7", "7");
}

TEST_CASE("doubles are written as Python's repr() writes them") {
  const auto [value, json] = GENERATE(table<double, std::string>({
      {1.1, "1.1"},
      {5, "5.0"},
      {0, "0.0"},
      {-0.0, "-0.0"},
      {-2.5, "-2.5"},
      {0.1 + 0.2, "0.30000000000000004"},
      {1e15, "1000000000000000.0"},
      {9999999999999998.0, "9999999999999998.0"},
      {1e16, "1e+16"},
      {123456789012345680.0, "1.2345678901234568e+17"},
      {1e22, "1e+22"},
      {0.0001, "0.0001"},
      {0.00012345, "0.00012345"},
      {0.00009999, "9.999e-05"},
      {1e-5, "1e-05"},
      {1e300, "1e+300"},
      {-1.5e-300, "-1.5e-300"},
      {5e-324, "5e-324"},
      {1.7976931348623157e308, "1.7976931348623157e+308"},
      {123.456, "123.456"},
      {100, "100.0"},
  }));
  check_both("float8", float8(value), json, json);
}

TEST_CASE("doubles that the server prints differently") {
  check_both("float8", float8(5), "5", "5.0");
  check_both("float8", float8(-0.0), "-0", "-0.0");
  check_both("float8", float8(1e15), "1e+15", "1000000000000000.0");
  // The server's algorithm excludes the bounds of the interval and prints another last digit.
  check_both("float8", float8(9007199254740993.0), "9.007199254740992e+15", "9007199254740992.0");
  check_both("float4", float4(16777216), "1.6777216e+07", "16777216.0");
  check_both("float4", float4(123456789.0F), "1.2345679e+08", "123456790.0");
}

TEST_CASE("the longer digits of servers before version 12 give the same JSON") {
  check_both("float8", float8(0.1), "0.100000000000000006", "0.1");
  check_both("float8", float8(0.1 + 0.2), "0.300000000000000044", "0.30000000000000004");
  check_both("float8", float8(1e300), "1.00000000000000005e+300", "1e+300");
  check_both("float8", float8(1.0 / 3), "0.333333333333333315", "0.3333333333333333");
  check_both("float4", float4(0.1F), "0.100000001", "0.1");
  check_both("float4", float4(1e20F), "1.00000002e+20", "1e+20");
}

TEST_CASE("reals have the shortest digits of a float, not of a double") {
  const auto [value, json] = GENERATE(table<float, std::string>({
      {1.2F, "1.2"},
      {0.1F, "0.1"},
      {1e20F, "1e+20"},
      {-0.0F, "-0.0"},
      {3.4028235e38F, "3.4028235e+38"},
      {1e-45F, "1e-45"},
      {0.3F, "0.3"},
  }));
  check_both("float4", float4(value), json, json);
}

TEST_CASE("NaN and infinities are null, or strings if asked for") {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  check_both("float8", float8(nan), "NaN", "null");
  check_both("float8", float8(infinity), "Infinity", "null");
  check_both("float8", float8(-infinity), "-Infinity", "null");
  check_both("float4", float4(static_cast<float>(nan)), "NaN", "null");
  check_both("numeric", kNan, "NaN", "null");
  check_both("numeric", kInfinity, "Infinity", "null");
  check_both("numeric", kMinusInfinity, "-Infinity", "null");
  check_both("numeric", kNan, "NaN", "null", kDecimalStrings);

  check_both("float8", float8(-nan), "NaN", R"("NaN")", kNonFiniteAsStrings);
  check_both("float8", float8(infinity), "Infinity", R"("Infinity")", kNonFiniteAsStrings);
  check_both("float4", float4(static_cast<float>(-infinity)), "-Infinity", R"("-Infinity")",
             kNonFiniteAsStrings);
  check_both("numeric", kNan, "NaN", R"("NaN")", kNonFiniteAsStrings);
  check_both("numeric", kInfinity, "Infinity", R"("Infinity")", kNonFiniteAsStrings);
  check_both("numeric", kMinusInfinity, "-Infinity", R"("-Infinity")", kNonFiniteAsStrings);
}

TEST_CASE("a numeric keeps the server's digits") {
  check_both("numeric", numeric(0, 0, 0, {}), "0", "0");
  check_both("numeric", numeric(0, 0, 2, {}), "0.00", "0.00");
  check_both("numeric", numeric(0, 0, 2, {1, 1000}), "1.10", "1.10");
  check_both("numeric", numeric(0, 0x4000, 1, {1, 5000}), "-1.5", "-1.5");
  check_both("numeric", numeric(-1, 0x4000, 1, {5000}), "-0.5", "-0.5");
  check_both("numeric", numeric(1, 0, 0, {10}), "100000", "100000");
  check_both("numeric", numeric(5, 0, 0, {1}), "100000000000000000000", "100000000000000000000");
  check_both("numeric", numeric(2, 0, 2, {12, 3456, 7890, 1000}), "1234567890.10", "1234567890.10");
  check_both("numeric", numeric(0, 0, 5, {9999, 12, 3000}), "9999.00123", "9999.00123");
  check_both("numeric", numeric(0, 0, 12, {7, 0, 0, 5}), "7.000000000005", "7.000000000005");
  check_both("net_price", numeric(0, 0, 2, {1, 1000}), "1.10", "1.10");
}

TEST_CASE("a small numeric has an exponent where Python's Decimal has one") {
  const auto [bytes, text, json] = GENERATE(table<std::string, std::string, std::string>({
      {numeric(-2, 0, 6, {100}), "0.000001", "0.000001"},
      {numeric(-2, 0, 7, {100}), "0.0000010", "0.0000010"},
      {numeric(-2, 0, 7, {10}), "0.0000001", "1E-7"},
      {numeric(-2, 0, 8, {10}), "0.00000010", "1.0E-7"},
      {numeric(-2, 0x4000, 8, {12}), "-0.00000012", "-1.2E-7"},
      {numeric(-10, 0, 38, {100}), "0.00000000000000000000000000000000000001", "1E-38"},
      {numeric(0, 0, 6, {}), "0.000000", "0.000000"},
      {numeric(0, 0, 7, {}), "0.0000000", "0E-7"},
      {numeric(0, 0, 20, {}), "0.00000000000000000000", "0E-20"},
      {numeric(0, 0, 8, {1, 0, 10}), "1.00000010", "1.00000010"},
  }));
  check_both("numeric", bytes, text, json);
  check_both("numeric", bytes, text, '"' + text + '"', kDecimalStrings);
}

TEST_CASE("a numeric may have as many digits as the server allows") {
  const std::string digits = std::string(131072, '9') + "." + std::string(16383, '9');
  std::vector<int> groups(32768 + 4096, 9999);
  groups.back() = 9990;
  const bool same_from_binary = from_binary("numeric", numeric(32767, 0, 16383, groups)) == digits;
  const bool same_from_text = from_text("numeric", digits) == digits;
  CHECK(same_from_binary);
  CHECK(same_from_text);
}

TEST_CASE("boolean and bit") {
  check_both("bool", std::string(1, '\1'), "t", "true");
  check_both("bool", std::string(1, '\0'), "f", "false");
  CHECK(from_text("bool", "true") == "true");
  CHECK(from_text("bool", "false") == "false");
  CHECK(from_text("bit", "1") == "true");
  CHECK(from_text("bit", "0") == "false");
  CHECK(from_text("bit", "") == R"("")");
  CHECK(from_text("bit", "10101") == R"("10101")");
  CHECK(from_text("varbit", "1") == R"("1")");
  CHECK(from_text("varbit", "") == R"("")");
}

TEST_CASE("bytes that are not a number are refused") {
  const auto [type, text] = GENERATE(table<std::string, std::string>({
      {"int2", ""},         {"int4", "1.5"},    {"int4", "12x"},    {"int8", "9223372036854775808"},
      {"int4", " 1"},       {"float4", ""},     {"float8", "1,5"},  {"float8", "1e999"},
      {"float8", "+1"},     {"numeric", ""},    {"numeric", "-"},   {"numeric", "1."},
      {"numeric", ".5"},    {"numeric", "1e5"}, {"numeric", "007"}, {"numeric", "1.2.3"},
      {"numeric", "Infin"}, {"bool", "yes"},    {"bool", ""},       {"bit", "2"},
  }));
  CAPTURE(type, text);
  CHECK_THROWS_AS(from_text(type, text), Error);
}

TEST_CASE("a numeric that contradicts its header is refused") {
  const auto bytes = GENERATE(as<std::string>(), numeric(0, 0, 0, {10000}), numeric(0, 0, 0, {-1}),
                              numeric(0, 0x1234, 0, {1}), numeric(0, 0, 16384, {1}), numeric(1, 0, 0, {0, 5}),
                              numeric(0, 0, 0, {1}) + "x", int16(-1) + int16(0) + int16(0) + int16(0));
  CHECK_THROWS_AS(from_binary("numeric", bytes), Error);
}

TEST_CASE("a truncated number is refused") {
  check_cuts("bool", Format::binary, std::string(1, '\1'));
  check_cuts("int2", Format::binary, int16(1));
  check_cuts("int4", Format::binary, int32(1));
  check_cuts("int8", Format::binary, int64(1));
  check_cuts("float4", Format::binary, float4(1));
  check_cuts("float8", Format::binary, float8(1));
  check_cuts("numeric", Format::binary, numeric(2, 0, 2, {12, 3456, 7890, 1000}));
  check_cuts("numeric", Format::text, "-1234567890.10");
  check_cuts("numeric", Format::text, "-Infinity");
  check_cuts("float8", Format::text, "-1.5e+300");
  check_cuts("bit", Format::text, "101");
  CHECK_THROWS_AS(from_binary("int4", int64(1)), Error);
}

TEST_CASE("the error names the column and the type, and shows no data") {
  REQUIRE_THROWS_WITH(
      from_text("int4", "1,5"),
      "t.c: the server sent 3 bytes that are not a text value of type int4; please report this "
      "with the server's version and the column's type");
}
