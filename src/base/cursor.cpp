// SPDX-License-Identifier: Apache-2.0
#include <spdlog/fmt/fmt.h>

#include <tap/base/cursor.hpp>
#include <tap/base/error.hpp>

namespace tap {

void Cursor::underflow(std::size_t wanted) const {
  throw MalformedAnswer(
      fmt::format("a server message is truncated: expected {} more bytes, found {}", wanted, left()));
}

}  // namespace tap
