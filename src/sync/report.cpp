// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <numeric>

#include <tap/sync/report.hpp>

namespace tap::sync {

void StreamReport::note_copy(const StreamReport& copied) {
  status = copied.status;
  rows = copied.rows;
  bytes = copied.bytes;
  took = copied.took;
  error = copied.error;
}

void RunReport::begin(const std::vector<StreamPlan>& plans, const singer::State& state) {
  for (const StreamPlan& plan : plans) {
    positions.emplace(plan.stream.id, streams.size());
    StreamReport& stream = streams.emplace_back();
    stream.id = plan.stream.id;
    stream.name = plan.name;
    stream.method = plan.method;
  }
  note_bookmarks(state);
}

void RunReport::fail(const std::string& id, std::string_view error) {
  StreamReport& failed = stream(id);
  failed.status = StreamReport::Status::failed;
  failed.error = error;
}

void RunReport::note_bookmarks(const singer::State& state) {
  for (StreamReport& stream : streams) {
    const Json* const bookmark = state.find_bookmark(stream.id);
    stream.bookmark = bookmark == nullptr ? Json() : *bookmark;
  }
}

void RunReport::forget_bookmarks() {
  for (StreamReport& stream : streams) {
    stream.bookmark = Json();
  }
}

std::size_t RunReport::count(StreamReport::Status status) const {
  return static_cast<std::size_t>(std::ranges::count(streams, status, &StreamReport::status));
}

std::uint64_t RunReport::rows() const {
  return std::accumulate(streams.begin(), streams.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const StreamReport& stream) { return sum + stream.rows; });
}

std::uint64_t RunReport::bytes() const {
  return std::accumulate(streams.begin(), streams.end(), std::uint64_t{0},
                         [](std::uint64_t sum, const StreamReport& stream) { return sum + stream.bytes; });
}

}  // namespace tap::sync
