// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>
#include <string>

namespace tap {

/// A host and a TCP port.
struct Endpoint {
  std::string host;
  std::uint16_t port = 0;

  auto operator<=>(const Endpoint&) const = default;
  /// `db.example.com:5432`
  [[nodiscard]] std::string text() const { return host + ":" + std::to_string(port); }
};

}  // namespace tap
