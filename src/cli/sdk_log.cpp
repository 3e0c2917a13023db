// SPDX-License-Identifier: Apache-2.0
#include "sdk_log.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <tap/base/error.hpp>
#include <tap/base/file.hpp>
#include <tap/base/json.hpp>

namespace tap::cli {

namespace {

/// Names of Python's logging module.
std::optional<log::Level> level_of(const Json& name) {
  constexpr std::array<std::pair<const char*, log::Level>, 5> levels = {{{"DEBUG", log::Level::debug},
                                                                         {"INFO", log::Level::info},
                                                                         {"WARNING", log::Level::warning},
                                                                         {"ERROR", log::Level::error},
                                                                         {"CRITICAL", log::Level::critical}}};
  const auto found = std::ranges::find_if(levels, [&](const auto& level) { return name == level.first; });
  return found == levels.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace

SdkLog read_sdk_log(const std::string& path) {
  SdkLog wanted;
  try {
    const Json config = parse_json(read_file(path), path);
    const auto at = [&](const char* pointer) {
      const Json::json_pointer place(pointer);
      return config.contains(place) ? config.at(place) : Json();
    };
    wanted.level = level_of(at("/root/level"));
    wanted.is_structured = at("/formatters/singer_formatter/()") == "singer_sdk.logging.StructuredFormatter";
  } catch (const Error&) {  // NOLINT(bugprone-empty-catch): it may be YAML
  }
  return wanted;
}

}  // namespace tap::cli
