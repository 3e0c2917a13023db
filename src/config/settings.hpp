// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string_view>

#include <tap/config/config.hpp>

#include "reader.hpp"

namespace tap::config {

/// A config key with all its properties. Add a setting by adding a row to the table in settings.cpp.
struct Setting {
  std::string_view name;
  std::string_view alias;  ///< the name in another tap, or empty
  std::string_view type;
  std::string_view default_value;  ///< as the user would write it, or empty
  std::string_view description;    ///< at most one line
  void (*set)(Config& config, const Reader& value);
  bool secret = false;
};

/// The settings table: every key that has an effect.
std::span<const Setting> settings();

/// The setting whose name or alias is `key`; null if the key is unknown.
const Setting* find_setting(std::string_view key);
/// The other name of a setting that has an alias; empty for other keys.
std::string_view other_name(std::string_view key);

/// A key of the Python taps for a feature that this version does not have and a run must not ignore.
struct MissingSetting {
  std::string_view name;
  bool (*is_used)(const Json& value);  ///< true if the value uses the feature
  std::string_view instead;            ///< what to do
};
std::span<const MissingSetting> missing_settings();

/// Keys of the Python taps that have no effect here and cause no warning.
std::span<const std::string_view> keys_without_effect();

}  // namespace tap::config
