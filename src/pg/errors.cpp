// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <string_view>

#include <tap/pg/errors.hpp>

namespace tap::pg {

bool ServerError::is_transient() const noexcept {
  constexpr auto transient = std::to_array<std::string_view>({
      "40001",  // serialization_failure: also a recovery conflict on a standby
      "40P01",  // deadlock_detected
      "55P03",  // lock_not_available
      "55006",  // object_in_use
      "57014",  // query_canceled
  });
  constexpr std::string_view insufficient_resources = "53";  // the class
  return std::ranges::find(transient, sqlstate()) != transient.end() ||
         sqlstate().starts_with(insufficient_resources);
}

}  // namespace tap::pg
