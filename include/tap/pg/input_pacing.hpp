// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>

namespace tap::pg {

/// Lets the server send several packets of a long answer before this process looks for them. A server that
/// wakes its reader after each packet, of 8 kB of rows or one change, spends a tenth of its time on that.
class InputPacing {
 public:
  void note_received(std::size_t bytes) {
    received_ += bytes;
    since_pause_ += bytes;
  }
  /// Call when everything that was received has been processed. Sleeps for 0.2 ms or less if more than
  /// 256 KiB have come and `socket` is not readable yet. Throws Interrupted.
  void pause(int socket);

 private:
  static constexpr std::chrono::microseconds kLongestPause{200};

  std::chrono::microseconds pause_ = kLongestPause;
  std::size_t since_pause_ = 0;  ///< bytes received
  std::size_t received_ = 0;     ///< bytes since a pause after which nothing had come
};

}  // namespace tap::pg
