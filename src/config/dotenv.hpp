// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tap::config {

/// The contents of a `.env` file.
struct Dotenv {
  std::vector<std::pair<std::string, std::string>>
      variables;                       ///< in order; a later one replaces an earlier one
  std::vector<std::size_t> malformed;  ///< numbers of lines that were ignored
};

/// Parses lines of the form `NAME=value`, perhaps after `export`. A `#` at the start of a line or after a
/// blank begins a comment. Values in single quotes are literal, values in double quotes may contain `\n`,
/// `\"` and so on, both may have several lines. `$` has no meaning.
Dotenv parse_dotenv(std::string_view text);

/// Sets the variables of the file `.env` in the working directory that are of this program or of libpq
/// (`TAP_POSTGRES_HOST`, `PGPASSWORD`), unless the environment has them. Nothing without such a file. Throws
/// Error (ExitCode::usage) if it cannot be read.
void load_dotenv();

}  // namespace tap::config
