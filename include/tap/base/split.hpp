// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

namespace tap {

/// What is between commas: the whole text, if it has none. The parts are views into it.
inline std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> parts;
  auto comma = text.find(',');
  for (; comma != std::string_view::npos; comma = text.find(',')) {
    parts.push_back(text.substr(0, comma));
    text.remove_prefix(comma + 1);
  }
  parts.push_back(text);
  return parts;
}

}  // namespace tap
