// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace tap::value {

/// Room for the text of a double: a sign, 18 digits, a point and `e-324`.
constexpr std::size_t kMaxFloatSize = 32;

/// Writes a double as the server's output function does with extra_float_digits 3, and returns its end: since
/// PostgreSQL 12 the shortest digits, before 18 digits. `to` must have room for kMaxFloatSize bytes.
char* write_float_text(char* to, double value, int server_version);

}  // namespace tap::value
