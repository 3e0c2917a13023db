// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tap {

/// A position in WAL, in bytes from its beginning (manual: WAL Internals).
struct Lsn {
  std::uint64_t value = 0;

  auto operator<=>(const Lsn&) const = default;
};

/// Returns the server's notation: `16/B374D848`.
std::string to_text(Lsn lsn);
/// Parses that notation. Returns nothing for other text.
std::optional<Lsn> read_lsn(std::string_view text);

}  // namespace tap
