// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tap {

/// Largest size in bytes of a config, state or key file, and of a catalog. The catalog of 10,000 tables with
/// 20 columns each takes about 100 MiB.
constexpr std::size_t kMaxFileSize = std::size_t{64} << 20U;
constexpr std::size_t kMaxCatalogSize = std::size_t{1} << 30U;

/// Returns the contents of a text file or pipe, as in `--config <(...)`. Throws Error (ExitCode::usage) if it
/// cannot be read, is larger than `max_size` bytes (as endless devices are) or contains a NUL byte.
std::string read_file(const std::string& path, std::size_t max_size = kMaxFileSize);

/// Writes a file so that its readers see either the old contents or all of the new ones: to a temporary file
/// next to it, which is then renamed. Throws Error (ExitCode::run_failed).
void write_file(const std::string& path, std::string_view text);

/// The path that opening `path` would reach through symbolic links, also if there is no file yet. Throws
/// Error (ExitCode::run_failed) for a cycle.
std::string follow_links(const std::string& path);

/// True for a regular file, which can be read more than once. Reading a pipe twice may wait forever.
bool is_regular_file(const std::string& path);

/// A path that may begin with `~/`, which is the home folder of the process's user.
std::string expand_home(const std::string& path);

}  // namespace tap
