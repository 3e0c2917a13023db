// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tap::config {

/// The config source that stands for the environment.
inline constexpr std::string_view kEnvironment = "ENV";
inline constexpr const char* kDotenvFile = ".env";

/// The contents of a `.env` file.
struct Dotenv {
  /// In order; a later one replaces an earlier one.
  std::vector<std::pair<std::string, std::string>> variables;
  std::vector<std::size_t> malformed;  ///< numbers of lines that were ignored
};

/// Parses lines of the form `NAME=value`, perhaps after `export`. A `#` at the start of a line or after a
/// blank begins a comment. Values in single quotes are literal, values in double quotes may contain `\n`,
/// `\"` and so on, both may have several lines. `$` has no meaning.
Dotenv parse_dotenv(std::string_view text);

/// The config key that an environment variable sets: `host` for `TAP_POSTGRES_HOST`. Empty for other
/// variables, also for those that set options of the command line, such as `TAP_POSTGRES_PART`.
std::string key_of_variable(std::string_view name);

/// Reads the file `.env` in the working directory: the variables of this program and of libpq
/// (`TAP_POSTGRES_HOST`, `PGPASSWORD`) that the environment does not set, by this name or that of an alias.
/// Empty without such a file. Throws Error (ExitCode::usage) if it cannot be read.
Dotenv read_dotenv();

/// Sets the variables that are not config keys: those of options and of libpq.
void set_variables(const Dotenv& file);

/// Logs the names of the variables, and the malformed lines.
void report(const Dotenv& file);

}  // namespace tap::config
