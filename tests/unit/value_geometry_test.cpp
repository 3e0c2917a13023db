// SPDX-License-Identifier: Apache-2.0
// Geometric types in binary format, and the text of their coordinates.
#include <bit>
#include <limits>

#include "value_support.hpp"

using namespace tap;
using namespace tap::value;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

std::string floats(std::initializer_list<double> values) {
  std::string bytes;
  for (const double value : values) {
    bytes += int64(std::bit_cast<std::int64_t>(value));
  }
  return bytes;
}

/// The text of a number as a point's coordinate.
std::string coordinate(double value, int version = 150000) {
  Type type = type_of("point");
  type.server_version = version;
  const std::string json = encode(type, Format::binary, floats({value, 0}));
  REQUIRE(json.starts_with("\"("));
  REQUIRE(json.ends_with(",0)\""));
  return json.substr(2, json.size() - 6);
}

}  // namespace

TEST_CASE("geometric types are the server's text") {
  const auto [type, binary, text] = GENERATE(table<std::string, std::string, std::string>({
      {"point", floats({1.5, -2}), "(1.5,-2)"},
      {"lseg", floats({1, 2, 3, 4}), "[(1,2),(3,4)]"},
      {"box", floats({3, 4, 1, 2}), "(3,4),(1,2)"},
      {"path", '\0' + int32(1) + floats({1, 2}), "[(1,2)]"},
      {"path", '\1' + int32(2) + floats({1, 2, 3, 4}), "((1,2),(3,4))"},
      {"polygon", int32(3) + floats({0, 0, 0, 1, 1, 0}), "((0,0),(0,1),(1,0))"},
      {"line", floats({1, -1, 0}), "{1,-1,0}"},
      {"circle", floats({1, 2, 0.5}), "<(1,2),0.5>"},
  }));
  CAPTURE(type, text);
  check_both(type, binary, text, "\"" + text + "\"");
  check_cuts(type, Format::binary, binary);
  CHECK_THROWS_AS(from_binary(type, binary + "x"), Error);
  CHECK_THROWS_AS(from_binary(type, binary + floats({1, 2})), Error);
}

TEST_CASE("paths and polygons with a wrong number of points are refused") {
  const auto count = GENERATE(0, -1, 1, 3, 0x10000002, 0x7FFFFFFF);
  CAPTURE(count);
  CHECK_THROWS_AS(from_binary("polygon", int32(count) + floats({1, 2, 3, 4})), Error);
  CHECK_THROWS_AS(from_binary("path", '\1' + int32(count) + floats({1, 2, 3, 4})), Error);
  CHECK_THROWS_AS(from_binary("polygon", int32(0)), Error);
}

TEST_CASE("coordinates are the shortest digits that the server prints") {
  const auto [value, text] = GENERATE(table<double, std::string>({
      {0.0, "0"},
      {-0.0, "-0"},
      {0.1, "0.1"},
      {100000, "100000"},
      {999999999999999, "999999999999999"},
      {999999999999999.9, "999999999999999.9"},
      {1e15, "1e+15"},
      {0.0001, "0.0001"},
      {0.00012, "0.00012"},
      {0.00009, "9e-05"},
      {9007199254740993.0, "9.007199254740992e+15"},
      {1e22, "1e+22"},
      // 1e+23 is half-way between this number and the next.
      {1e23, "9.999999999999999e+22"},
      {-1e23, "-9.999999999999999e+22"},
      {123456789012345678.0, "1.2345678901234568e+17"},
      {5e-324, "5e-324"},
      {2.2250738585072014e-308, "2.2250738585072014e-308"},
      {1.7976931348623157e308, "1.7976931348623157e+308"},
      {std::numeric_limits<double>::quiet_NaN(), "NaN"},
      {kInfinity, "Infinity"},
      {-kInfinity, "-Infinity"},
  }));
  CHECK(coordinate(value) == text);
}

TEST_CASE("coordinates of servers before PostgreSQL 12 have 18 digits") {
  CHECK(coordinate(0.1, 110022) == "0.100000000000000006");
  CHECK(coordinate(-0.0, 110022) == "-0");
  CHECK(coordinate(1e17, 110022) == "100000000000000000");
  CHECK(coordinate(1e18, 110022) == "1e+18");
  CHECK(coordinate(1e23, 110022) == "9.99999999999999916e+22");
  CHECK(coordinate(5e-324, 110022) == "4.94065645841246544e-324");
  CHECK(coordinate(kInfinity, 90624) == "Infinity");
  CHECK(coordinate(std::numeric_limits<double>::quiet_NaN(), 90624) == "NaN");
  CHECK(coordinate(kInfinity, 90503) == "inf");
  CHECK(coordinate(-kInfinity, 90503) == "-inf");
  CHECK(coordinate(std::numeric_limits<double>::quiet_NaN(), 90503) == "nan");
}
