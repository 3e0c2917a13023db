// SPDX-License-Identifier: Apache-2.0
#include <tap/base/error.hpp>

namespace tap {

std::string to_text(const Problem& problem) {
  std::string text = problem.found;
  for (const std::string* part : {&problem.needed, &problem.fix}) {
    text += part->empty() ? "" : ": " + *part;
  }
  return text;
}

std::string message_with_hint(const Error& error) {
  return std::string(error.what()) + (error.is_reported_by_check() ? "; run: tap-postgres check" : "");
}

}  // namespace tap
