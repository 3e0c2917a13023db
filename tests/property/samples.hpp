// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "database.hpp"
#include "random_values.hpp"

namespace tap::test {

/// A type and values of it: SQL expressions that can be cast to it.
struct Samples {
  std::string type;
  std::vector<std::string> edges;
  std::function<std::string(Random&)> random;  ///< may be empty
};

/// The SQL that makes the types of schema value_test: an enum, domains, a composite, and the extensions.
extern const char* const kMakeTypes;

/// Every type that has an encoder of its own, and what users make of types.
std::vector<Samples> samples(const Database& database);

/// Literals of which any type takes one or another.
extern const std::vector<std::string> kAnyLiterals;

}  // namespace tap::test
