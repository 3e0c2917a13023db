// SPDX-License-Identifier: Apache-2.0
#include "precision.hpp"

#include <algorithm>
#include <string>

#include <spdlog/fmt/fmt.h>

#include <tap/base/log.hpp>

namespace tap::value {

namespace {

constexpr Precision kMaxPrecision = {100, 38};

}  // namespace

std::optional<Precision> declared_precision(std::int32_t modifier) {
  if (modifier < kVarHeaderSize) {
    return std::nullopt;
  }
  // The scale is eleven bits, signed since PostgreSQL 15.
  const int scale = (modifier - kVarHeaderSize) & 0x7FF;
  return Precision{((modifier - kVarHeaderSize) >> 16) & 0xFFFF, scale < 0x400 ? scale : scale - 0x800};
}

Precision capped_precision(std::int32_t modifier) {
  const auto [precision, scale] = declared_precision(modifier).value_or(kMaxPrecision);
  return {std::min(precision, kMaxPrecision.precision), std::min(scale, kMaxPrecision.scale)};
}

void warn_if_capped(std::int32_t modifier) {
  const Precision declared = declared_precision(modifier).value_or(kMaxPrecision);
  const Precision capped = capped_precision(modifier);
  if (capped.precision != declared.precision || capped.scale != declared.scale) {
    log::warn(
        "the JSON schema describes a numeric({},{}) column as numeric({},{}); a target may truncate its "
        "values",
        declared.precision, declared.scale, capped.precision, capped.scale);
  }
}

Json power_of_ten(int exponent, const char* sign) {
  const std::string digits = exponent >= 0    ? fmt::format("{}{:0<{}}", sign, 1, exponent + 1)
                             : exponent >= -4 ? fmt::format("{}0.{:0>{}}", sign, 1, -exponent)
                                              : fmt::format("{}1e-{:02}", sign, -exponent);
  return parse_json(digits, "a power of ten");
}

}  // namespace tap::value
