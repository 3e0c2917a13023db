// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>

namespace tap {

/// The most bytes that a config, a state or a key file may have, and the most that a catalog may have: the
/// catalog of 10,000 tables with 20 columns each takes about 100 MiB.
constexpr std::size_t kMaxFileSize = std::size_t{64} << 20U;
constexpr std::size_t kMaxCatalogSize = std::size_t{1} << 30U;

/// Reads a whole text file; a pipe, as of `--config <(...)`, will do. Throws Error (ExitCode::usage) if it
/// cannot be read, is larger than `max_size` bytes (endless devices are, too) or contains a NUL byte.
std::string read_file(const std::string& path, std::size_t max_size = kMaxFileSize);

/// True for a file that can be read again and again. A pipe cannot, and its second reading may wait forever.
bool is_regular_file(const std::string& path);

/// A path that may begin with `~/`, which is the home folder of the process's user.
std::string expand_home(const std::string& path);

}  // namespace tap
