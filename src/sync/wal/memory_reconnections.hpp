// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include <tap/pgtypes/lsn.hpp>

namespace tap::sync {

/// Decides when a run that reads WAL reconnects to free the memory that libpq keeps of a large message.
///
/// After a reconnection the server decodes WAL again from the slot's position. So the next one is allowed
/// only once the run has passed the position of the last one, and not too often, see kMinInterval and kShare.
class MemoryReconnections {
 public:
  using Clock = std::chrono::steady_clock;
  /// Minimum time between two reconnections, and before the first one unless the run is idle.
  static constexpr std::chrono::minutes kMinInterval{10};
  /// At most 1/kShare of the time is spent on decoding WAL again.
  static constexpr int kShare = 10;

  explicit MemoryReconnections(Clock::time_point started) : started_(started) {}

  /// The run reconnects; `received` is the end of the last transaction that was received.
  void note_reconnection(Clock::time_point now, Lsn received);
  /// The server has sent everything up to `sent`.
  void note_sent(Clock::time_point now, Lsn sent);

  /// True if a reconnection is allowed; `received` is the end of the last transaction that was received.
  [[nodiscard]] bool is_allowed(Clock::time_point now, Lsn received) const;

  /// True if a reconnection is allowed and frees enough. `retained` is the memory that it would free, in
  /// bytes. `bytes_left` is how much WAL is left in a run to an end LSN: it must be more than that. A run
  /// without end waits until it `is_idle` the first time, but at most for kMinInterval.
  [[nodiscard]] bool is_due(Clock::time_point now, Lsn received, std::size_t retained,
                            std::optional<std::uint64_t> bytes_left, bool is_idle) const;

 private:
  Clock::time_point started_;
  std::optional<Clock::time_point> last_;
  Lsn last_lsn_;                                   ///< received before the last reconnection
  std::optional<Clock::duration> decoding_again_;  ///< how long the server took to get back to last_lsn_
};

}  // namespace tap::sync
