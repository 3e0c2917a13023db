// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <random>
#include <string>

namespace tap::test {

using Random = std::mt19937_64;

std::int64_t between(Random& random, std::int64_t low, std::int64_t high);
/// Every number of bits is equally likely.
std::int64_t any_integer(Random& random);
std::string digits(Random& random, std::int64_t count);
std::string hex(Random& random, std::int64_t bytes);
/// Consists of characters and words that have a meaning in the text formats.
std::string any_text(Random& random);
/// JSON with whitespace wherever it is allowed.
std::string any_json(Random& random);
std::string any_time(Random& random);

// SQL expressions.
std::string any_real(Random& random);
std::string any_double(Random& random);
/// Not quoted.
std::string any_double_text(Random& random);
std::string any_numeric(Random& random);
std::string any_timetz(Random& random);
std::string any_interval(Random& random);
std::string any_inet(Random& random);
std::string any_bits(Random& random);
/// A quoted transaction snapshot.
std::string any_snapshot(Random& random);
/// A tsvector's text, not quoted.
std::string any_tsvector(Random& random);
std::string any_date(Random& random);
/// Between 4713 BC and the year 294276, mostly near the present. `type` is timestamp or timestamptz.
std::string any_moment(Random& random, const char* type);

}  // namespace tap::test
