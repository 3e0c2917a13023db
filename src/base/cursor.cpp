// SPDX-License-Identifier: Apache-2.0
#include <spdlog/fmt/fmt.h>

#include <tap/base/cursor.hpp>
#include <tap/base/error.hpp>

namespace tap {

void Cursor::underflow(std::size_t wanted) const {
  throw MalformedAnswer(
      fmt::format("a message of the server ends early: {} more bytes were due, {} are left", wanted, left()));
}

}  // namespace tap
