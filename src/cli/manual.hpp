// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace tap::cli {

/// The manual page, in roff (man(7)), of what the parser knows.
std::string manual(const CLI::App& app);

/// A script that completes the command line in bash (bash manual: Programmable Completion).
std::string bash_completion(const CLI::App& app);

}  // namespace tap::cli
