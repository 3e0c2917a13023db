// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "database.hpp"
#include "random_values.hpp"

namespace tap::test {

/// A type and sample values: SQL expressions that can be cast to it.
struct Samples {
  std::string type;
  std::vector<std::string> edges;
  std::function<std::string(Random&)> random;  ///< may be empty
  int since = 0;                               ///< the first server_version_num that has the type
};

/// SQL that creates the types of schema value_test (an enum, domains, ranges, a composite type) and the
/// extensions.
extern const char* const kMakeTypes;
/// Arrays of domains.
extern const char* const kMakeTypesSince11;

/// Returns samples of every type with its own encoder, and of user-defined types.
std::vector<Samples> samples(const Database& database);

/// Returns those of ranges and multiranges.
std::vector<Samples> range_samples(const Database& database);

/// Literals: every built-in type accepts at least one.
extern const std::vector<std::string> kAnyLiterals;

}  // namespace tap::test
