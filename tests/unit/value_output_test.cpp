// SPDX-License-Identifier: Apache-2.0
// Types whose JSON is the output function's text, from the binary format.
#include "value_support.hpp"

using namespace tap;
using namespace tap::value;
using namespace std::string_literals;

namespace {

std::string interval(std::int64_t micros, std::int64_t days, std::int64_t months) {
  return int64(micros) + int32(days) + int32(months);
}

/// An inet of family 2 (IPv4) or 3 (IPv6).
std::string inet(char family, int bits, const std::string& address, bool is_cidr = false) {
  return family + std::string(1, static_cast<char>(bits)) + (is_cidr ? '\1' : '\0') +
         static_cast<char>(address.size()) + address;
}

std::string words(std::initializer_list<int> values) {
  std::string bytes;
  for (const int value : values) {
    bytes += int16(value);
  }
  return bytes;
}

std::string bits(int count, const std::string& bytes) {
  return int32(count) + bytes;
}

std::string from_server(int version, std::string_view type_name, std::string_view value) {
  Type type = type_of(type_name);
  type.server_version = version;
  return encode(type, Format::binary, value);
}

/// Checks that each format gives the text as a JSON string.
void check_text(std::string_view type, const std::string& binary, const std::string& text) {
  check_both(type, binary, text, "\"" + text + "\"");
}

}  // namespace

TEST_CASE("interval") {
  constexpr std::int64_t second = 1'000'000;
  constexpr std::int64_t hour = 3600 * second;
  const auto [binary, text] = GENERATE_COPY(table<std::string, std::string>({
      {interval(0, 0, 0), "00:00:00"},
      {interval(2 * hour, 1, 0), "1 day 02:00:00"},
      {interval(1, 0, 0), "00:00:00.000001"},
      {interval(-500'000, 0, 0), "-00:00:00.5"},
      {interval(-(3 * hour + 245'600'000), 0, -1), "-1 mons -03:04:05.6"},
      {interval(0, 0, 1), "1 mon"},
      {interval(0, 0, 24), "2 years"},
      {interval(0, 3, 10), "10 mons 3 days"},
      {interval(-hour, 0, 12), "1 year -01:00:00"},
      {interval(0, 1, -13), "-1 years -1 mons +1 day"},
      {interval(second, -1, 14), "1 year 2 mons -1 days +00:00:01"},
      {interval(second, 1, -1), "-1 mons +1 day 00:00:01"},
      {interval(-1, -1, -1), "-1 mons -1 days -00:00:00.000001"},
      {interval(100 * hour + 120'000, 0, 0), "100:00:00.12"},
      {interval(std::numeric_limits<std::int64_t>::max(), 0, 0), "2562047788:00:54.775807"},
      {interval(std::numeric_limits<std::int64_t>::min(), -2'147'483'648, 0),
       "-2147483648 days -2562047788:00:54.775808"},
      {interval(0, 2'147'483'647, 2'147'483'647), "178956970 years 7 mons 2147483647 days"},
      {interval(0, 0, -2'147'483'648), "-178956970 years -8 mons"},
  }));
  check_text("interval", binary, text);
  check_cuts("interval", Format::binary, binary);
  CHECK_THROWS_AS(from_binary("interval", binary + "x"), Error);
}

TEST_CASE("the longest intervals are infinite since PostgreSQL 17") {
  constexpr std::int64_t longest = std::numeric_limits<std::int64_t>::max();
  const std::string positive = interval(longest, 2'147'483'647, 2'147'483'647);
  const std::string negative = interval(-longest - 1, -2'147'483'648, -2'147'483'648);
  check_text("interval", positive, "infinity");
  check_text("interval", negative, "-infinity");
  CHECK(from_server(160000, "interval", positive) ==
        R"("178956970 years 7 mons 2147483647 days 2562047788:00:54.775807")");
  CHECK(from_server(160000, "interval", negative) ==
        R"("-178956970 years -8 mons -2147483648 days -2562047788:00:54.775808")");
}

TEST_CASE("inet and cidr") {
  const std::string ipv4 = "\x0A\x01\x02\xFF";
  check_text("inet", inet(2, 32, ipv4), "10.1.2.255");
  check_text("inet", inet(2, 24, ipv4), "10.1.2.255/24");
  check_text("inet", inet(2, 0, std::string(4, '\0')), "0.0.0.0/0");
  check_text("cidr", inet(2, 32, ipv4, true), "10.1.2.255/32");
  check_text("cidr", inet(3, 128, words({0, 0, 0, 0, 0, 0, 0, 1}), true), "::1/128");
  const auto [address, text] = GENERATE(table<std::string, std::string>({
      {words({0, 0, 0, 0, 0, 0, 0, 0}), "::"},
      {words({0, 0, 0, 0, 0, 0, 0, 1}), "::1"},
      {words({1, 0, 0, 0, 0, 0, 0, 0}), "1::"},
      {words({0, 0, 0, 0, 0, 0xFFFF, 0x0102, 0x0304}), "::ffff:1.2.3.4"},
      {words({0, 0, 0, 0, 0, 0, 0x0102, 0x0304}), "::1.2.3.4"},
      {words({0, 0, 0, 0, 0, 1, 2, 3}), "::1:2:3"},
      {words({0, 0, 0, 0, 0xFFFF, 0, 1, 2}), "::ffff:0:1:2"},
      {words({1, 2, 3, 4, 5, 6, 7, 0}), "1:2:3:4:5:6:7:0"},
      {words({0, 2, 3, 4, 5, 6, 7, 8}), "0:2:3:4:5:6:7:8"},
      {words({1, 0, 0, 4, 0, 0, 0, 8}), "1:0:0:4::8"},
      {words({1, 0, 0, 4, 5, 0, 0, 8}), "1::4:5:0:0:8"},
      {words({0x2001, 0xDB8, 0, 0, 0, 0xFF00, 0x42, 0x8329}), "2001:db8::ff00:42:8329"},
  }));
  check_text("inet", inet(3, 128, address), text);
  check_text("inet", inet(3, 64, address), text + "/64");
}

TEST_CASE("malformed inet values are refused") {
  const std::string ipv4 = "\x0A\x01\x02\x03";
  check_cuts("inet", Format::binary, inet(2, 32, ipv4));
  check_cuts("inet", Format::binary, inet(3, 128, words({1, 2, 3, 4, 5, 6, 7, 8})));
  const auto value =
      GENERATE_COPY(inet(2, 33, ipv4), inet(3, 129, words({1, 2, 3, 4, 5, 6, 7, 8})), inet(4, 32, ipv4),
                    inet(1, 32, ipv4), inet(2, 32, words({1, 2, 3, 4, 5, 6, 7, 8})), inet(3, 32, ipv4),
                    inet(2, 32, ipv4 + "x"), inet(2, 32, ipv4) + "x", inet(2, 32, ""));
  CHECK_THROWS_AS(from_binary("inet", value), Error);
}

TEST_CASE("macaddr and macaddr8") {
  check_text("macaddr", "\x08\x00\x2B\x01\x02\xFF"s, "08:00:2b:01:02:ff");
  check_text("macaddr8", "\x08\x00\x2B\x01\x02\x03\x04\xFF"s, "08:00:2b:01:02:03:04:ff");
  check_cuts("macaddr", Format::binary, "abcdef");
  check_cuts("macaddr8", Format::binary, "abcdefgh");
  CHECK_THROWS_AS(from_binary("macaddr", "abcdefg"), Error);
  CHECK_THROWS_AS(from_binary("macaddr8", "abcdefghi"), Error);
}

TEST_CASE("bit and varbit") {
  check_both("bit", bits(1, "\x80"), "1", "true");
  check_both("bit", bits(1, "\0"s), "0", "false");
  check_text("bit", bits(5, "\xA8"), "10101");
  check_text("bit", bits(8, "\x01"), "00000001");
  check_text("varbit", bits(0, ""), "");
  check_text("varbit", bits(1, "\x80"), "1");
  check_text("varbit", bits(9, "\xFF\x80"), "111111111");
  check_text("varbit", bits(16, "\xAA\x0F"), "1010101000001111");
  const auto type = GENERATE(as<std::string>(), "bit", "varbit");
  check_cuts(type, Format::binary, bits(16, "ab"));
  const auto value = GENERATE(bits(-1, ""), bits(-1, "a"), bits(0, "a"), bits(1, ""), bits(1, "ab"),
                              bits(8, "ab"), bits(9, "a"), bits(0x7FFFFFFF, "a"));
  CHECK_THROWS_AS(from_binary(type, value), Error);
}

TEST_CASE("identifiers") {
  const auto type = GENERATE(as<std::string>(), "oid", "xid", "cid");
  check_text(type, int32(0), "0");
  check_text(type, int32(-1), "4294967295");
  check_cuts(type, Format::binary, int32(1));
  check_text("xid8", int64(-1), "18446744073709551615");
  check_cuts("xid8", Format::binary, int64(1));
  check_text("tid", int32(-1) + int16(-1), "(4294967295,65535)");
  check_text("tid", int32(0) + int16(1), "(0,1)");
  check_cuts("tid", Format::binary, int32(0) + int16(1));
  CHECK_THROWS_AS(from_binary("tid", int64(1)), Error);
}

TEST_CASE("pg_lsn is padded since PostgreSQL 19") {
  CHECK(from_server(180006, "pg_lsn", int64(0x1F)) == R"("0/1F")");
  CHECK(from_server(180006, "pg_lsn", int64(0x16B374D848)) == R"("16/B374D848")");
  CHECK(from_server(190000, "pg_lsn", int64(0x1F)) == R"("0/0000001F")");
  CHECK(from_server(190000, "pg_lsn", int64(-1)) == R"("FFFFFFFF/FFFFFFFF")");
  check_cuts("pg_lsn", Format::binary, int64(1));
}

TEST_CASE("transaction snapshots") {
  const auto type = GENERATE(as<std::string>(), "txid_snapshot", "pg_snapshot");
  const std::string running = int32(3) + int64(10) + int64(20) + int64(10) + int64(14) + int64(15);
  check_text(type, running, "10:20:10,14,15");
  check_text(type, int32(0) + int64(1) + int64(1), "1:1:");
  check_cuts(type, Format::binary, running);
  CHECK_THROWS_AS(from_binary(type, running + "x"), Error);
  CHECK_THROWS_AS(from_binary(type, int32(-1) + int64(10) + int64(20)), Error);
  CHECK_THROWS_AS(from_binary(type, int32(-1) + int64(10)), Error);
  CHECK_THROWS_AS(from_binary(type, int32(0x7FFFFFFF) + int64(10) + int64(20)), Error);
}

TEST_CASE("tsvector") {
  const std::string vector = int32(3) + "it's\0"s + int16(4) + int16(1 | 3 << 14) + int16(2 | 2 << 14) +
                             int16(3 | 1 << 14) + int16(16383) + "q\"\\\0"s + int16(0) + "\xC3\xA9\n\0"s +
                             int16(1) + int16(7);
  check_both("tsvector", vector, "'it''s':1A,2B,3C,16383 'q\"\\\\' '\xC3\xA9\n':7",
             "\"'it''s':1A,2B,3C,16383 'q\\\"\\\\\\\\' '\xC3\xA9\\n':7\"");
  check_text("tsvector", int32(0), "");
  check_both("tsvector", int32(1) + "''\\\0"s + int16(0), R"('''''\\')", R"("'''''\\\\'")");
  check_cuts("tsvector", Format::binary, vector);
  CHECK_THROWS_AS(from_binary("tsvector", vector + "x"), Error);
  CHECK_THROWS_AS(from_binary("tsvector", int32(-1)), Error);
  CHECK_THROWS_AS(from_binary("tsvector", int32(1) + "abc"), Error);
  CHECK_THROWS_AS(from_binary("tsvector", int32(1) + "a\0"s + int16(-1) + int16(1)), Error);
}

TEST_CASE("jsonpath of another version is refused") {
  check_both("jsonpath", "\1$.\"a\"", "$.\"a\"", R"("$.\"a\"")");
  CHECK_THROWS_AS(from_binary("jsonpath", ""), Error);
  CHECK_THROWS_AS(from_binary("jsonpath", "\2$"), Error);
}

TEST_CASE("arrays of such types") {
  const std::string array =
      int32(1) + int32(1) + int32(869) + int32(2) + int32(1) + sized(inet(2, 32, "\1\2\3\4")) + int32(-1);
  check_both("inet[]", array, "{1.2.3.4,NULL}", R"(["1.2.3.4",null])");
  check_cuts("inet[]", Format::binary, array);
}
