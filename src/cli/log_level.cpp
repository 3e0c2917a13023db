// SPDX-License-Identifier: Apache-2.0
#include "log_level.hpp"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <map>

#include <spdlog/fmt/fmt.h>

#include <tap/base/error.hpp>

namespace tap::cli {

namespace {

const std::map<std::string, log::Level> kLogLevels = {{"debug", log::Level::debug},
                                                      {"info", log::Level::info},
                                                      {"warning", log::Level::warning},
                                                      {"error", log::Level::error},
                                                      {"critical", log::Level::critical}};

/// The value of a variable; empty if it is not set.
std::string value_of(const char* variable) {
  const char* const value = std::getenv(variable);
  return value == nullptr ? "" : value;
}

}  // namespace

std::optional<log::Level> find_log_level(std::string_view name) {
  std::string lower(name);
  std::ranges::transform(lower, lower.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const auto found = kLogLevels.find(lower);
  return found == kLogLevels.end() ? std::nullopt : std::optional(found->second);
}

std::optional<log::Level> log_level_from_environment() {
  if (const std::string own = value_of("TAP_POSTGRES_LOGLEVEL"); !own.empty()) {
    const auto level = find_log_level(own);
    if (!level) {
      throw Error(ExitCode::usage,
                  fmt::format("TAP_POSTGRES_LOGLEVEL must be debug, info, warning, error or critical, but is "
                              "\"{}\"",
                              own));
    }
    return level;
  }
  const std::string shared = value_of("LOGLEVEL");
  const auto level = find_log_level(shared);
  if (!level && !shared.empty()) {
    log::warn("LOGLEVEL must be debug, info, warning, error or critical, but is \"{}\": it is ignored",
              shared);
  }
  return level;
}

}  // namespace tap::cli
