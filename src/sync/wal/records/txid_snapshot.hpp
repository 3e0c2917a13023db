// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace tap::sync {

/// The transactions that are visible in a snapshot of the server, from the text of txid_current_snapshot(),
/// "xmin:xmax:xip,xip" (manual: Functions and Operators, Transaction ID and Snapshot Information Functions).
class TxidSnapshot {
 public:
  /// Throws Error (ExitCode::run_failed) if the text is not a snapshot.
  explicit TxidSnapshot(std::string_view snapshot);

  /// True if the transaction had ended when the snapshot was taken. `xid` is a transaction ID as WAL has it:
  /// 32 bits, in decimal. False if it is not a number.
  [[nodiscard]] bool contains(std::string_view xid) const;

 private:
  std::uint64_t next_ = 0;  ///< xmax: the first ID not yet assigned, with its epoch
  std::vector<std::uint64_t> in_progress_;
};

}  // namespace tap::sync
