// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <tap/base/log.hpp>

namespace tap::cli {

/// The level with this name in upper or lower case.
std::optional<log::Level> find_log_level(std::string_view name);

/// The minimum log level that the environment asks for: TAP_POSTGRES_LOGLEVEL, or else LOGLEVEL. A wrong
/// LOGLEVEL is only a warning, because it may be meant for another program. Throws Error (ExitCode::usage).
std::optional<log::Level> log_level_from_environment();

}  // namespace tap::cli
