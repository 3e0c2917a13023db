// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>

#include <tap/config/config.hpp>

#include "reader.hpp"

namespace tap::config {

/// A key of the config: one row says all there is to know of it.
struct Setting {
  std::string_view name;
  std::string_view alias;  ///< another tap's name for the same, or empty
  std::string_view type;
  std::string_view initial;  ///< the default as the user would write it, or empty
  std::string_view meaning;
  void (*set)(Config& config, const Reader& value);
  bool secret = false;
};

/// Every key that has an effect.
std::span<const Setting> settings();

/// A key of the Python taps that asks for what this version does not have.
struct MissingSetting {
  std::string_view name;
  bool (*asks)(const Json& value);  ///< that this value does
  std::string_view instead;         ///< what to do; empty: a run without it is still what the user wants
};
std::span<const MissingSetting> missing_settings();

/// Keys of the Python taps that need no counterpart here: taken without a warning, without an effect.
std::span<const std::string_view> keys_without_effect();

}  // namespace tap::config
