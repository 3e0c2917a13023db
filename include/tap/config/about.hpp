// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace tap::config {

/// The capabilities and settings as text, generated from the settings table.
std::string about_text();

/// The same in the JSON form of the Meltano SDK: `settings` is a JSON schema. Ends with a newline.
std::string about_json();

/// The same as Markdown, in the form of the Meltano SDK: a list of capabilities and a table of settings. Ends
/// with a newline.
std::string about_markdown();

}  // namespace tap::config
