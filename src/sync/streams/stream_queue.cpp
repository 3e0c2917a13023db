// SPDX-License-Identifier: Apache-2.0
#include "stream_queue.hpp"

#include <algorithm>
#include <numeric>

namespace tap::sync {

namespace {

constexpr std::size_t kMostTogether = 64;
constexpr std::uint64_t kMostBytesTogether = std::uint64_t{8} << 20U;

}  // namespace

std::vector<StreamToCopy> take_large(std::vector<StreamToCopy>& streams, std::size_t connections) {
  const std::uint64_t all =
      std::accumulate(streams.begin(), streams.end(), std::uint64_t{0},
                      [](std::uint64_t sum, const StreamToCopy& stream) { return sum + stream.bytes; });
  const std::uint64_t half_of_share = all / connections / 2;
  const auto large = std::stable_partition(streams.begin(), streams.end(), [&](const StreamToCopy& stream) {
    return !stream.is_divisible || stream.bytes <= half_of_share;
  });
  std::vector<StreamToCopy> taken(large, streams.end());
  streams.erase(large, streams.end());
  return taken;
}

std::vector<const StreamPlan*> StreamQueue::take() {
  const std::size_t left = streams_.size() - next_;
  const std::size_t most = std::clamp<std::size_t>(left / connections_ / 2, 1, kMostTogether);
  std::vector<const StreamPlan*> taken;
  std::uint64_t bytes = 0;
  while (next_ < streams_.size() && taken.size() < most) {
    const StreamToCopy& stream = streams_[next_];
    // What a view reads is unknown.
    bytes += stream.plan->stream.is_view ? kMostBytesTogether : stream.bytes;
    if (!taken.empty() && (bytes > kMostBytesTogether || stream.plan->database != taken.front()->database)) {
      break;
    }
    taken.push_back(stream.plan);
    ++next_;
  }
  return taken;
}

}  // namespace tap::sync
