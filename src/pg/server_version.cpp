// SPDX-License-Identifier: Apache-2.0
#include <spdlog/fmt/fmt.h>

#include <tap/pg/server_version.hpp>

namespace tap::pg {

// Since version 10 there are two parts, not three.
std::string ServerVersion::text() const {
  return number_ >= 100000 ? fmt::format("{}.{}", number_ / 10000, number_ % 10000)
                           : fmt::format("{}.{}.{}", number_ / 10000, number_ / 100 % 100, number_ % 100);
}

}  // namespace tap::pg
