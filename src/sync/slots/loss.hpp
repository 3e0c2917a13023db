// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <tap/pg/catalog/slots.hpp>

namespace tap::sync {

/// Why a slot was lost, and the setting that prevents it. Servers before 17 do not report the cause.
struct SlotLoss {
  std::string cause;
  std::string prevention;  ///< may be empty
};
/// For a slot that is lost, see pg::Slot::is_lost().
SlotLoss loss_of(const pg::Slot& slot);

}  // namespace tap::sync
