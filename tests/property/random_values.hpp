// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <random>
#include <string>

namespace tap::test {

using Random = std::mt19937_64;

std::int64_t between(Random& random, std::int64_t low, std::int64_t high);
/// Any number of bits is as likely as any other.
std::int64_t any_integer(Random& random);
std::string digits(Random& random, std::int64_t count);
std::string hex(Random& random, std::int64_t bytes);
/// Made of what could be mistaken for syntax.
std::string any_text(Random& random);
/// JSON with blanks in all places.
std::string any_json(Random& random);
std::string any_time(Random& random);

// SQL expressions.
std::string any_real(Random& random);
std::string any_double(Random& random);
std::string any_numeric(Random& random);
std::string any_timetz(Random& random);
std::string any_date(Random& random);
/// Between 4713 BC and the year 294276, most of them near. `type` is timestamp or timestamptz.
std::string any_moment(Random& random, const char* type);

}  // namespace tap::test
