// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include <tap/base/json.hpp>
#include <tap/config/config.hpp>

namespace tap::config {

/// Replaces the TLS keys of the Meltano tap in `keys` by libpq's (`ssl_mode` becomes `sslmode`). `source_of`
/// names the file of each key and is updated. Throws Error (ExitCode::usage) if a key would have no effect or
/// contradicts a libpq key.
void translate_sdk_keys(Json& keys, std::map<std::string, std::string>& source_of);

/// Throws Error (ExitCode::usage) if libpq would print a secret of the config (as a file path or a database
/// name), or if the session would be less protected than one of `keys` requires. `keys` are the config's keys
/// before translate_sdk_keys(); `sources` names the files for the error message.
void require_safe(const Config& config, const Json& keys, const std::string& sources);

}  // namespace tap::config
