// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace tap::sync {

/// The transactions whose work a query has seen, from the text of txid_current_snapshot(),
/// "xmin:xmax:xip,xip" (manual, "Transaction ID and Snapshot Information Functions").
class TxidSnapshot {
 public:
  /// Throws Error if the text is no snapshot.
  explicit TxidSnapshot(std::string_view snapshot);

  /// Whether the transaction of this number, as the log has it (32 bits), was over by then. False if it is no
  /// number.
  [[nodiscard]] bool have(std::string_view xid) const;

 private:
  std::uint64_t next_ = 0;  ///< the first number that was not given out yet, with its epoch
  std::vector<std::uint64_t> in_progress_;
};

}  // namespace tap::sync
