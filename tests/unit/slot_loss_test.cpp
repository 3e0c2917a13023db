// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"
#include "sync/slots/loss.hpp"

namespace tap::sync {
namespace {

std::string describe(const char* reason) {
  pg::Slot slot;
  slot.invalidation_reason = reason;
  const SlotLoss loss = loss_of(slot);
  return loss.cause + " | " + loss.prevention;
}

TEST_CASE("each cause of a lost slot has its own text") {
  CHECK(
      describe("rows_removed") ==
      "the primary has removed rows of system catalogs that it needed | set hot_standby_feedback to on where "
      "the slot is on a standby");
  CHECK(describe("wal_level_insufficient") ==
        "wal_level was lowered below logical | leave wal_level at logical");
  CHECK(describe("something_new") == "the server has invalidated it (something_new) | ");
  CHECK(describe("") ==
        "the server has removed WAL that it needed | raise max_slot_wal_keep_size, if it is set, or run the "
        "tap more often");
}

TEST_CASE("version 16 reports only that a slot of a standby is lost") {
  pg::Slot slot;
  slot.is_conflicting = true;
  CHECK(loss_of(slot).cause ==
        "the primary has removed rows of system catalogs that it needed or has lowered wal_level, or the "
        "standby has removed WAL that it needed");
}

TEST_CASE("a slot is lost by its status or by the server's reason") {
  pg::Slot slot;
  slot.wal_status = "unreserved";
  CHECK(!slot.is_lost());
  slot.invalidation_reason = "idle_timeout";
  CHECK(slot.is_lost());
  slot.invalidation_reason = "";
  slot.wal_status = "lost";
  CHECK(slot.is_lost());
}

}  // namespace
}  // namespace tap::sync
