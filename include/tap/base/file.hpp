// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace tap {

/// A whole file. Throws Error (ExitCode::usage) saying why it cannot be read: the files we read are the
/// user's.
std::string read_file(const std::string& path);

}  // namespace tap
