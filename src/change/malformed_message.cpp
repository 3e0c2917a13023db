// SPDX-License-Identifier: Apache-2.0
#include "malformed_message.hpp"

#include <spdlog/fmt/fmt.h>

#include <tap/base/error.hpp>

namespace tap::change {

void throw_malformed_message(std::string_view plugin, std::string_view message, Lsn lsn,
                             std::string_view reason) {
  throw Error(
      ExitCode::run_failed,
      fmt::format("cannot decode the {0} message at WAL position {1} ({2} bytes): {3}; nothing after it "
                  "was read; please report this with the versions of PostgreSQL and {0}",
                  plugin, to_text(lsn), message.size(), reason));
}

}  // namespace tap::change
