// SPDX-License-Identifier: Apache-2.0
#include "memory_reconnections.hpp"

#include <algorithm>

#include <tap/pg/connection.hpp>

namespace tap::sync {

void MemoryReconnections::note_reconnection(Clock::time_point now, Lsn received) {
  last_ = now;
  last_lsn_ = received;
  decoding_again_.reset();
}

void MemoryReconnections::note_sent(Clock::time_point now, Lsn sent) {
  if (last_ && !decoding_again_ && sent >= last_lsn_) {
    decoding_again_ = now - *last_;
  }
}

bool MemoryReconnections::is_allowed(Clock::time_point now, Lsn received) const {
  return !last_ || (decoding_again_ && received > last_lsn_ &&
                    now - *last_ >= std::max<Clock::duration>(kMinInterval, kShare * *decoding_again_));
}

bool MemoryReconnections::is_due(Clock::time_point now, Lsn received, std::size_t retained,
                                 std::optional<std::uint64_t> bytes_left, bool is_idle) const {
  if (retained <= pg::Connection::kMostRetained || !is_allowed(now, received)) {
    return false;
  }
  if (bytes_left) {
    return *bytes_left > retained;
  }
  return is_idle || last_ || now - started_ >= kMinInterval;
}

}  // namespace tap::sync
