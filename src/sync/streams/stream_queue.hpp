// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <tap/sync/plan.hpp>

namespace tap::sync {

/// A stream to be copied with one of several connections, or with all of them.
struct StreamToCopy {
  const StreamPlan* plan;
  std::uint64_t bytes = 0;    ///< of the table's files; 0 for a view
  bool is_divisible = false;  ///< all connections can read its table, and it is large enough for that
};

/// Removes and returns the divisible streams with more than half of what each connection has to read: one
/// connection would still be copying them when the others have nothing left to do.
std::vector<StreamToCopy> take_large(std::vector<StreamToCopy>& streams, std::size_t connections);

/// The streams that are copied side by side, in order. Does no locking.
class StreamQueue {
 public:
  StreamQueue(std::vector<StreamToCopy> streams, std::size_t connections)
      : streams_(std::move(streams)), connections_(connections) {}

  /// Returns the next streams for one connection: several small ones of one database, because they can share
  /// a transaction (TableTransactions), and fewer towards the end. Empty if there are no more.
  std::vector<const StreamPlan*> take();

 private:
  std::vector<StreamToCopy> streams_;
  std::size_t connections_;
  std::size_t next_ = 0;  ///< in `streams_`
};

}  // namespace tap::sync
