// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <tap/sync/parts/part.hpp>

namespace tap::cli {

/// Parses a number of parts; `source` is the option or variable that has it. Throws Error (ExitCode::usage).
std::size_t parse_parts(const std::string& source, std::string_view text);

/// The part that a sync run is limited to: by the value of --part, by that of --parts (0 if it is not given),
/// or else by the environment. Throws Error (ExitCode::usage).
std::optional<sync::Part> part_of_run(const std::optional<std::string>& part, std::size_t parts);

}  // namespace tap::cli
