// SPDX-License-Identifier: Apache-2.0
#include "sdk_log.hpp"

#include <tap/base/error.hpp>
#include <tap/base/file.hpp>
#include <tap/base/json.hpp>

#include "log_level.hpp"

namespace tap::cli {

SdkLog read_sdk_log(const std::string& path) {
  SdkLog wanted;
  try {
    const Json config = parse_json(read_file(path), path);
    const auto at = [&](const char* pointer) {
      const Json::json_pointer place(pointer);
      return config.contains(place) ? config.at(place) : Json();
    };
    if (const Json level = at("/root/level"); level.is_string()) {
      wanted.level = find_log_level(level.get<std::string>());
    }
    wanted.is_structured = at("/formatters/singer_formatter/()") == "singer_sdk.logging.StructuredFormatter";
  } catch (const Error&) {  // NOLINT(bugprone-empty-catch): it may be YAML
  }
  return wanted;
}

}  // namespace tap::cli
