// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "table_lookup.hpp"

namespace tap::sync {

/// Waits until queries see what a decoded transaction has done. WAL has a commit a moment before it becomes
/// visible, and long before if the commit waits for a synchronous standby. A lookup made earlier would
/// return the table as it was before the transaction.
class CommitVisibility {
 public:
  /// The changes of a transaction follow; `xid` is its number as text, empty if unknown.
  void begin(std::string_view xid) { current_ = xid; }
  /// A row that the current transaction has changed will be read from its table.
  void note_row_to_read();

  /// Waits for the current transaction. This and await_noted() throw what TableLookup does, and Interrupted.
  void await_current(TableLookup& lookup);
  /// Waits for the transactions of the noted rows, then forgets them.
  void await_noted(TableLookup& lookup);
  void forget_noted() { noted_.clear(); }

  /// Sets an action to repeat, every few milliseconds, during a wait. Empty: nothing is called.
  void while_waiting(std::function<void()> action) { action_ = std::move(action); }

 private:
  void await(TableLookup& lookup, const std::vector<std::string>& xids) const;

  std::string current_;             ///< empty once it is visible
  std::vector<std::string> noted_;  ///< transactions of rows that will be read
  std::function<void()> action_;
};

}  // namespace tap::sync
