// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include <tap/base/json.hpp>

namespace tap::value {

/// VARHDRSZ, which the server adds to the modifiers of numeric, varchar and char.
constexpr std::int32_t kVarHeaderSize = 4;

/// The number of digits of a numeric, and how many of them follow the decimal point.
struct Precision {
  int precision;
  int scale;
};

/// Returns the precision and scale of numeric(p,s); nullopt for a numeric without them.
std::optional<Precision> declared_precision(std::int32_t modifier);

/// Returns the precision and scale in the Python tap's schema: at most 100 and 38, which are also its
/// defaults.
Precision capped_precision(std::int32_t modifier);
/// Logs a warning if capped_precision() differs from the declared one.
void warn_if_capped(std::int32_t modifier);

/// Returns 10^exponent as Python writes it: 100, 0.01, 1e-05. `sign` is "" or "-".
Json power_of_ten(int exponent, const char* sign = "");

}  // namespace tap::value
