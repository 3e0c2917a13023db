// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include <tap/base/json.hpp>

namespace tap::value {

/// VARHDRSZ: what the modifiers of numeric, varchar and char have added to them.
constexpr std::int32_t kVarHeaderSize = 4;

/// How many digits a numeric has, and how many of them after the point.
struct Precision {
  int precision;
  int scale;
};

/// Nothing if the column does not say.
std::optional<Precision> declared_precision(std::int32_t modifier);

/// What the Python tap takes for it: no more than 100 and 38, which are the defaults, too.
Precision capped_precision(std::int32_t modifier);
void warn_if_capped(std::int32_t modifier);

/// 10^exponent as Python writes it: 100, 0.01, 1e-05. `sign` may be "-".
Json power_of_ten(int exponent, const char* sign = "");

}  // namespace tap::value
