// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace tap::cli {

/// The manual page in roff (man(7)), generated from the parser.
std::string manual(const CLI::App& app);

/// A bash completion script, generated from the parser (bash manual: Programmable Completion).
std::string bash_completion(const CLI::App& app);

}  // namespace tap::cli
