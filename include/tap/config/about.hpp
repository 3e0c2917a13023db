// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace tap::config {

/// What the tap can do and every setting, from the table that the config is read by.
std::string about_text();

/// The same as the Meltano SDK's taps give it: `settings` is a JSON schema. Ends with a newline.
std::string about_json();

}  // namespace tap::config
