// SPDX-License-Identifier: Apache-2.0
#include <tap/base/error.hpp>

namespace tap {

std::string to_text(const Complaint& complaint) {
  std::string text = complaint.found;
  for (const std::string* part : {&complaint.needed, &complaint.fix}) {
    text += part->empty() ? "" : ": " + *part;
  }
  return text;
}

std::string last_word(const Error& error) {
  return std::string(error.what()) + (error.is_foreseeable() ? "; run: tap-postgres check" : "");
}

}  // namespace tap
