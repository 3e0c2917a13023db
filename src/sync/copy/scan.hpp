// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <charconv>
#include <string_view>

namespace tap::sync {

// Small parsers of what a position consists of. Each removes what it has read from the front of `text`, and
// returns false, with `text` unchanged, if something else is there.

template <class Number>
bool scan_number(std::string_view& text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  text.remove_prefix(error == std::errc() ? static_cast<std::size_t>(end - text.data()) : 0);
  return error == std::errc();
}

inline bool scan_char(std::string_view& text, char c) {
  const bool is_there = text.starts_with(c);
  text.remove_prefix(is_there ? 1 : 0);
  return is_there;
}

}  // namespace tap::sync
