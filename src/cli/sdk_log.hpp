// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include <tap/base/log.hpp>

namespace tap::cli {

/// What a log configuration of the Singer SDK asks for. Meltano writes one for each plugin that it runs, and
/// passes its path in SINGER_SDK_LOG_CONFIG.
struct SdkLog {
  std::optional<log::Level> level;
  bool is_structured = false;  ///< JSON lines in the SDK's form, which Meltano parses
};

/// Reads the configuration, a JSON document. Everything else is ignored, as it may be for another program.
SdkLog read_sdk_log(const std::string& path);

}  // namespace tap::cli
