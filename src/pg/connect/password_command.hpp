// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>

#include <tap/pg/connection_settings.hpp>

namespace tap::pg {

/// The server with the password that its password_command prints, if it has one. Throws as below.
ConnectionSettings with_password(const ConnectionSettings& server);

/// What a shell command prints, less the end of its line. Its stderr is ours. Throws TransientError if it
/// fails, prints nothing or more than 64 KiB, or has not exited within `limit` (0: no limit); Interrupted on
/// a signal. Unless it exits by itself, its process group is killed.
std::string ask_for_password(const std::string& command, std::chrono::seconds limit);

}  // namespace tap::pg
