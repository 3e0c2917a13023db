// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <tap/pg/connection.hpp>

namespace tap::sync {

/// A transaction is in the log a moment before others see what it has done; where commits wait for a standby
/// the moment may be long. A table must not be looked at before, for what the log does not say.
class CommitVisibility {
 public:
  /// A transaction's changes begin; `xid` is its number as text.
  void begin(std::string_view xid) { in_hand_ = xid; }
  /// A row of the transaction in hand will be read from its table.
  void note_row();

  /// Waits until what the transaction in hand has done can be seen.
  void await_in_hand(pg::Connection& connection);
  /// The same for the transactions whose rows will be read.
  void await_rows(pg::Connection& connection);
  void forget_rows() { of_rows_.clear(); }

  /// Something to be done now and then in a long wait.
  void while_waiting(std::function<void()> action) { action_ = std::move(action); }

 private:
  void await(pg::Connection& connection, const std::vector<std::string>& xids) const;

  std::string in_hand_;  ///< empty once it has been seen
  std::vector<std::string> of_rows_;
  std::function<void()> action_;
};

}  // namespace tap::sync
