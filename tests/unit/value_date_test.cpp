// SPDX-License-Identifier: Apache-2.0
#include <limits>

#include "value_support.hpp"

using namespace tap;
using namespace tap::value;

namespace {

constexpr std::int64_t kSecond = 1'000'000;
constexpr std::int64_t kHour = 3600 * kSecond;
constexpr std::int64_t kDay = 24 * kHour;
constexpr std::int64_t kInt64Max = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kInt64Min = std::numeric_limits<std::int64_t>::min();

constexpr EncodingOptions on_out_of_range(EncodingOptions::OutOfRange choice) {
  return {.out_of_range_dates = choice};
}

const std::string kEarliest = R"("0001-01-01T00:00:00+00:00")";
const std::string kLatest = R"("9999-12-31T23:59:59.999+00:00")";
const std::string kLatestDate = R"("9999-12-31T00:00:00+00:00")";

/// Values out of range: type, binary format, text format, and whether the value is before the range.
struct OutOfRange {
  std::string type;
  std::string binary;
  std::string text;
  bool early;
};
const std::vector<OutOfRange> kOutOfRange = {
    {"date", int32(2147483647), "infinity", false},
    {"date", int32(-2147483648LL), "-infinity", true},
    {"date", int32(-746117), "0044-03-15 BC", true},
    {"date", int32(3652425), "12000-01-01", false},
    {"date", int32(-730120), "0001-12-31 BC", true},
    {"date", int32(2921940), "10000-01-01", false},
    {"date", int32(2145031948), "5874897-12-31", false},
    {"date", int32(-2451545), "4714-11-24 BC", true},
    {"timestamp", int64(kInt64Max), "infinity", false},
    {"timestamp", int64(kInt64Min), "-infinity", true},
    {"timestamp", int64(-746117 * kDay + 12 * kHour), "0044-03-15 12:00:00 BC", true},
    {"timestamp", int64(3652425 * kDay), "12000-01-01 00:00:00", false},
    {"timestamp", int64(2921940 * kDay + 500'000), "10000-01-01 00:00:00.5", false},
    {"timestamp", int64(-730119 * kDay - 1), "0001-12-31 23:59:59.999999 BC", true},
    {"timestamp", int64(9223371331200000000 - 1), "294276-12-31 23:59:59.999999", false},
    {"timestamptz", int64(-746117 * kDay + 12 * kHour), "0044-03-15 12:00:00+00 BC", true},
    {"timestamptz", int64(3652425 * kDay + 120'000), "12000-01-01 00:00:00.12+00", false},
};

}  // namespace

TEST_CASE("a date is written as midnight UTC") {
  check_both("date", int32(0), "2000-01-01", R"("2000-01-01T00:00:00+00:00")");
  check_both("date", int32(-668), "1998-03-04", R"("1998-03-04T00:00:00+00:00")");
  check_both("date", int32(59), "2000-02-29", R"("2000-02-29T00:00:00+00:00")");
  check_both("date", int32(-730119), "0001-01-01", R"("0001-01-01T00:00:00+00:00")");
  check_both("date", int32(2921939), "9999-12-31", R"("9999-12-31T00:00:00+00:00")");
}

TEST_CASE("a timestamp has six fractional digits or none") {
  const std::int64_t noon = -1063 * kDay + 2 * kHour + 122 * kSecond;
  check_both("timestamp", int64(noon), "1997-02-02 02:02:02", R"("1997-02-02T02:02:02+00:00")");
  check_both("timestamp", int64(noon + 722184), "1997-02-02 02:02:02.722184",
             R"("1997-02-02T02:02:02.722184+00:00")");
  check_both("timestamp", int64(noon + 500000), "1997-02-02 02:02:02.5",
             R"("1997-02-02T02:02:02.500000+00:00")");
  check_both("timestamp", int64(noon + 1), "1997-02-02 02:02:02.000001",
             R"("1997-02-02T02:02:02.000001+00:00")");
  check_both("timestamp", int64(-730119 * kDay), "0001-01-01 00:00:00", R"("0001-01-01T00:00:00+00:00")");
  check_both("timestamp", int64(2921940 * kDay - 1), "9999-12-31 23:59:59.999999",
             R"("9999-12-31T23:59:59.999999+00:00")");
  check_both("timestamptz", int64(noon), "1997-02-02 02:02:02+00", R"("1997-02-02T02:02:02+00:00")");
  check_both("timestamptz", int64(noon + 123000), "1997-02-02 02:02:02.123+00",
             R"("1997-02-02T02:02:02.123000+00:00")");
  check_both("timestamptz", int64(0), "2000-01-01 00:00:00+00", R"("2000-01-01T00:00:00+00:00")");
}

TEST_CASE("a date out of range is clamped, null or the server's text") {
  const Log quiet;
  for (const auto& [type, binary, text, early] : kOutOfRange) {
    check_both(type, binary, text, early ? kEarliest : type == "date" ? kLatestDate : kLatest);
    check_both(type, binary, text, "null", on_out_of_range(EncodingOptions::OutOfRange::null));
    check_both(type, binary, text, '"' + text + '"', on_out_of_range(EncodingOptions::OutOfRange::string));
  }
}

TEST_CASE("a date out of range can be an error, which names the column, the value and the setting") {
  const EncodingOptions options = on_out_of_range(EncodingOptions::OutOfRange::error);
  const std::string message =
      "t.c: 0044-03-15 BC is outside the years 1 to 9999; set `out_of_range_dates` to `clamp`, `null` or "
      "`string` to send such rows";
  CHECK_THROWS_WITH(from_binary("date", int32(-746117), options), message);
  CHECK_THROWS_WITH(from_text("date", "0044-03-15 BC", options), message);
  CHECK_THROWS_AS(from_text("date", "infinity", options), StreamError);
  CHECK_THROWS_AS(from_text("timestamp[]", "{infinity}", options), StreamError);
}

TEST_CASE("a changed date is logged once per column") {
  const Log log;
  const Encoder encode(type_of("date"), Format::text, {}, "public.t.day");
  Buffer out;
  for (const char* value : {"2000-01-01", "infinity", "0044-03-15 BC", "infinity"}) {
    encode(value, out);
  }
  CHECK(log.text() ==
        "warning public.t.day: infinity is outside the years 1 to 9999 and is written as " + kLatestDate +
            "; other such values of this column are changed without a warning (see `out_of_range_dates`)\n");
}

TEST_CASE("a date that is written as the server's text is not logged") {
  const Log log;
  from_text("date", "infinity", on_out_of_range(EncodingOptions::OutOfRange::string));
  CHECK(log.text().empty());
}

TEST_CASE("a time is the server's text") {
  check_both("time", int64(12 * kHour + 670 * kSecond), "12:11:10", R"("12:11:10")");
  check_both("time", int64(12 * kHour + 670 * kSecond + 123000), "12:11:10.123", R"("12:11:10.123")");
  check_both("time", int64(1), "00:00:00.000001", R"("00:00:00.000001")");
  check_both("time", int64(kDay), "24:00:00", R"("24:00:00")");
}

TEST_CASE("a timetz has six fractional digits or none, and its offset in hours and minutes") {
  const std::int64_t time = 12 * kHour + 670 * kSecond;
  check_both("timetz", int64(time) + int32(14400), "12:11:10-04", R"("12:11:10-04:00")");
  check_both("timetz", int64(time + 500000) + int32(-19800), "12:11:10.5+05:30",
             R"("12:11:10.500000+05:30")");
  check_both("timetz", int64(time) + int32(-19815), "12:11:10+05:30:15", R"("12:11:10+05:30:15")");
  check_both("timetz", int64(time) + int32(15), "12:11:10-00:00:15", R"("12:11:10-00:00:15")");
  check_both("timetz", int64(kDay) + int32(0), "24:00:00+00", R"("24:00:00+00:00")");
  check_both("timetz", int64(0) + int32(57599), "00:00:00-15:59:59", R"("00:00:00-15:59:59")");
}

TEST_CASE("bytes that are not a date or time are refused") {
  const Log quiet;
  check_cuts("date", Format::binary, int32(0));
  check_cuts("timestamp", Format::binary, int64(0));
  check_cuts("timestamptz", Format::binary, int64(0));
  check_cuts("time", Format::binary, int64(0));
  check_cuts("timetz", Format::binary, int64(0) + int32(0));
  check_cuts("date", Format::text, "0044-03-15 BC");
  check_cuts("timestamp", Format::text, "10000-01-01 00:00:00.5");
  check_cuts("timestamptz", Format::text, "0044-03-15 12:00:00.123456+00 BC");
  check_cuts("time", Format::text, "12:11:10.123");
  check_cuts("timetz", Format::text, "12:11:10.5+05:30:15");
  CHECK_THROWS_AS(from_binary("time", int64(-1)), Error);
  CHECK_THROWS_AS(from_binary("time", int64(kDay + 1)), Error);
  CHECK_THROWS_AS(from_binary("timetz", int64(0) + int32(57600)), Error);
  CHECK_THROWS_AS(from_binary("timetz", int64(0) + int32(-2147483648LL)), Error);
  const auto [type, text] = GENERATE(table<std::string, std::string>({
      {"date", "04.03.1998"},
      {"date", "998-03-04"},
      {"date", "1998-03-04 AD"},
      {"timestamp", "1998-03-04"},
      {"timestamp", "1998-03-04T00:00:00"},
      {"timestamp", "1998-03-04 00:00:00.1234567"},
      {"timestamp", "1998-03-04 00:00:00+00"},
      {"timestamptz", "1998-03-04 00:00:00-05"},
      {"timestamptz", "1998-03-04 00:00:00"},
      {"timestamptz", "1998-03-04 00:00:00 BC+00"},
      {"time", "12:11"},
      {"time", "12:11:10."},
      {"timetz", "12:11:10"},
      {"timetz", "12:11:10+5"},
      {"timetz", "12:11:10+05:30:15:00"},
  }));
  CAPTURE(type, text);
  CHECK_THROWS_AS(from_text(type, text), Error);
}
