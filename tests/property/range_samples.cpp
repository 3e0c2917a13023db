// SPDX-License-Identifier: Apache-2.0
#include <spdlog/fmt/fmt.h>

#include "samples.hpp"

namespace tap::test {

namespace {

using Generator = std::function<std::string(Random&)>;

/// A range type and its subtype.
struct RangeType {
  std::string name;  ///< without "range": "int4", "value_test.time"
  std::string subtype;
  std::vector<std::string> edges;
  Generator bound;
  /// Bounds have successors. The greatest value has none, which an inclusive upper bound would need.
  bool is_discrete = false;
};

std::string any_range(const RangeType& type, Random& random) {
  const auto bound = [&] {
    return random() % 6 == 0 ? "NULL" : fmt::format("({})::{}", type.bound(random), type.subtype);
  };
  const std::string a = bound();
  const std::string b = bound();
  const bool is_ordered = a == "NULL" || b == "NULL";
  const char* const bounds = type.is_discrete ? "[)" : random() % 2 == 0 ? "(]" : "[)";
  return fmt::format("{}range({}, {}, '{}')", type.name, is_ordered ? a : fmt::format("least({}, {})", a, b),
                     is_ordered ? b : fmt::format("greatest({}, {})", a, b), bounds);
}

}  // namespace

std::vector<Samples> range_samples(const Database& database) {
  const auto any_of_bits = [](int bits) {
    return [bits](Random& random) { return fmt::format("{}", any_integer(random) >> (64 - bits)); };
  };
  const auto any_timestamp = [](const char* type) {
    return [type](Random& random) { return any_moment(random, type); };
  };
  const auto any_clock = [](Random& random) { return fmt::format("'{}'", any_time(random)); };
  const auto any_string = [&database](Random& random) { return database.quote(any_text(random)); };
  const auto any_price = [](Random& random) { return fmt::format("{}", between(random, -99999, 99999)); };
  const std::vector<RangeType> types = {
      {"int4", "int4", {"'(1,5]'", "'[-2147483648,2147483646]'"}, any_of_bits(32), true},
      {"int8", "int8", {"'[-9223372036854775808,9223372036854775807)'"}, any_of_bits(64), true},
      {"num", "numeric", {"'(1.10,2]'", "'[-0.0,0.00]'", "'[1e-9,1e20)'", "'[1,NaN]'"}, any_numeric},
      {"date", "date", {"'[0044-03-15 BC,infinity)'", "'(,2024-02-29]'"}, any_date, true},
      {"ts",
       "timestamp",
       {"'[2024-01-01,2024-01-02 03:04:05.6)'", "'(-infinity,infinity)'", "'[0044-03-15 BC,294276-12-31]'"},
       any_timestamp("timestamp")},
      {"tstz",
       "timestamptz",
       {"'[2024-01-01 00:00+05,)'", "'[infinity,infinity]'"},
       any_timestamp("timestamptz")},
      {"value_test.time", "time", {"'[00:00,24:00]'"}, any_clock},
      {"value_test.zoned", "timetz", {"'(12:00+05:30,)'"}, any_timetz},
      {"value_test.span", "interval", {"'(-1 day,1 mon 2:00)'"}, any_interval},
      {"value_test.inet", "inet", {"'[::1,2::/64]'"}, any_inet},
      {"value_test.bits", "varbit", {R"('["",1]')"}, any_bits},
      {"value_test.float", "float8", {"'[0.1,Infinity)'", "'[1e22,1e23]'"}, any_double},
      {"value_test.real", "real", {"'[0.1,Infinity)'"}, any_real},
      {"value_test.text", "text", {R"('["","a b"]')"}, any_string},
      {"value_test.price", "value_test.net_price", {"'[1.1,2)'"}, any_price},
  };
  constexpr int multiranges_since = 140000;
  std::vector<Samples> samples;
  for (const RangeType& type : types) {
    std::vector<std::string> ranges = {"'empty'", "'(,)'"};
    ranges.insert(ranges.end(), type.edges.begin(), type.edges.end());
    std::vector<std::string> multiranges = {"'{}'"};
    for (const std::string& range : ranges) {
      multiranges.push_back(fmt::format("{0}multirange(({1})::{0}range)", type.name, range));
    }
    samples.push_back(
        {type.name + "range", ranges, [type](Random& random) { return any_range(type, random); }});
    const auto any_multirange = [type](Random& random) {
      return fmt::format("{}multirange({}, {})", type.name, any_range(type, random), any_range(type, random));
    };
    samples.push_back({type.name + "multirange", multiranges, any_multirange, multiranges_since});
  }
  return samples;
}

}  // namespace tap::test
