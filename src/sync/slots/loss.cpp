// SPDX-License-Identifier: Apache-2.0
// The causes are those of pg_replication_slots.invalidation_reason (manual: System Views).
#include "loss.hpp"

namespace tap::sync {

SlotLoss loss_of(const pg::Slot& slot) {
  const std::string& reason = slot.invalidation_reason;
  if (reason == "wal_removed") {
    return {"the server has removed WAL that it needed, since it kept more than max_slot_wal_keep_size",
            "raise max_slot_wal_keep_size or run the tap more often"};
  }
  if (reason == "rows_removed") {
    return {"the primary has removed rows of system catalogs that it needed",
            "set hot_standby_feedback to on where the slot is on a standby"};
  }
  if (reason == "wal_level_insufficient") {
    return {"wal_level was lowered below logical", "leave wal_level at logical"};
  }
  if (reason == "idle_timeout") {
    return {"no one has read it for longer than idle_replication_slot_timeout",
            "set idle_replication_slot_timeout to 0 or run the tap more often"};
  }
  if (!reason.empty()) {
    return {"the server has invalidated it (" + reason + ")", ""};
  }
  if (slot.is_conflicting) {
    return {
        "the primary has removed rows of system catalogs that it needed or has lowered wal_level, or the "
        "standby has removed WAL that it needed",
        "set hot_standby_feedback to on and primary_slot_name on the standby, and raise its "
        "max_slot_wal_keep_size if that is set"};
  }
  return {"the server has removed WAL that it needed",
          "raise max_slot_wal_keep_size, if it is set, or run the tap more often"};
}

}  // namespace tap::sync
