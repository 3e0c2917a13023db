// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include <tap/base/json.hpp>
#include <tap/config/config.hpp>

namespace tap::config {

/// Puts libpq's keys in place of the Meltano tap's for TLS (`ssl_mode` is `sslmode`). Throws Error
/// (ExitCode::usage) where these would have no effect or contradict libpq's.
void take_sdk_keys(Json& keys, std::map<std::string, std::string>& source_of);

/// Throws Error (ExitCode::usage) if libpq would print a secret of the config's, as the path of a file or the
/// name of a database, or if the session would be less protected than one of `keys` requires. `keys` are
/// those of the files before take_sdk_keys(); `sources` names the files.
void require_safe(const Config& config, const Json& keys, const std::string& sources);

}  // namespace tap::config
