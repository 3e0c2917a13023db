// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace tap {

/// Length of the valid UTF-8 character (RFC 3629: no surrogates, no overlong forms) that starts at `at`,
/// which is not ASCII; 0 if there is none.
inline std::size_t utf8_length(const unsigned char* at, const unsigned char* end) {
  const auto continues = [&](std::size_t i) {
    return static_cast<std::size_t>(end - at) > i && (at[i] & 0xC0U) == 0x80;
  };
  const unsigned lead = at[0];
  if (lead >= 0xC2 && lead <= 0xDF) {
    return continues(1) ? 2 : 0;
  }
  if (lead >= 0xE0 && lead <= 0xEF) {
    if (!continues(1) || !continues(2)) {
      return 0;
    }
    const bool overlong = lead == 0xE0 && at[1] < 0xA0;
    const bool surrogate = lead == 0xED && at[1] >= 0xA0;
    return overlong || surrogate ? 0 : 3;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    if (!continues(1) || !continues(2) || !continues(3)) {
      return 0;
    }
    const bool overlong = lead == 0xF0 && at[1] < 0x90;
    const bool beyond = lead == 0xF4 && at[1] >= 0x90;
    return overlong || beyond ? 0 : 4;
  }
  return 0;
}

}  // namespace tap
