// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>

#include <tap/pg/connection_settings.hpp>

namespace tap::pg {

/// Returns the settings with the password that password_command prints, if it is set. Throws as
/// run_password_command() does.
ConnectionSettings with_password(const ConnectionSettings& server);

/// Runs a shell command and returns its output without the newlines at the end. It inherits stderr. Throws
/// TransientError if it fails, prints nothing or more than 64 KiB, or has not exited within `limit` (0: no
/// limit); Interrupted on a signal. Unless it exits by itself, its process group is killed.
std::string run_password_command(const std::string& command, std::chrono::seconds limit);

}  // namespace tap::pg
