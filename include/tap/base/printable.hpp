// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace tap {

/// `text` on one line, fit for a terminal, whatever names and messages of the server are in it: control
/// characters (C0, DEL, C1), line separators and the marks that reorder text are escaped as in JSON (`\n`,
/// `\u001b`, `\u202e`), bytes that are not UTF-8 as `\xff`. JSON on one line stays the same document.
std::string printable(std::string_view text);

}  // namespace tap
