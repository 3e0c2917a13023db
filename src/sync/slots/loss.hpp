// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <tap/pg/catalog/slots.hpp>

namespace tap::sync {

/// Why a slot can never be read again, and what prevents it next time. Servers before 17 do not say why.
struct SlotLoss {
  std::string cause;
  std::string prevention;  ///< may be empty
};
SlotLoss loss_of(const pg::Slot& slot);

}  // namespace tap::sync
