// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include <tap/pgtypes/lsn.hpp>

namespace tap::change {

/// Throws Error (ExitCode::run_failed) for a message that is not in the format of output plugin `plugin`.
[[noreturn]] void throw_malformed_message(std::string_view plugin, std::string_view message, Lsn lsn,
                                          std::string_view reason);

}  // namespace tap::change
