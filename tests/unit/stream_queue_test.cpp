// SPDX-License-Identifier: Apache-2.0
#include "sync/streams/stream_queue.hpp"

#include <deque>

#include "catch.hpp"

using namespace tap::sync;

namespace {

constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20U;

/// Streams with tables of these sizes.
struct Streams {
  explicit Streams(const std::vector<std::uint64_t>& sizes, bool is_divisible = true) {
    for (const std::uint64_t bytes : sizes) {
      StreamPlan& plan = plans.emplace_back();
      plan.stream.id = "t" + std::to_string(plans.size());
      plan.database = "shop";
      to_copy.push_back({&plan, bytes, is_divisible});
    }
  }

  std::deque<StreamPlan> plans;
  std::vector<StreamToCopy> to_copy;
};

std::vector<std::string> ids(const std::vector<const StreamPlan*>& plans) {
  std::vector<std::string> ids;
  for (const StreamPlan* const plan : plans) {
    ids.push_back(plan->stream.id);
  }
  return ids;
}

std::vector<std::string> ids(const std::vector<StreamToCopy>& streams) {
  std::vector<std::string> ids;
  for (const StreamToCopy& stream : streams) {
    ids.push_back(stream.plan->stream.id);
  }
  return ids;
}

using Ids = std::vector<std::string>;

}  // namespace

TEST_CASE("tables with more than half of a connection's share are read by all connections") {
  Streams streams({10, 100, 10, 20, 60});  // a share is 100 of 200
  CHECK(ids(take_large(streams.to_copy, 2)) == Ids{"t2", "t5"});
  CHECK(ids(streams.to_copy) == Ids{"t1", "t3", "t4"});
}

TEST_CASE("many tables of one size are copied side by side") {
  Streams streams(std::vector<std::uint64_t>(8, 100));
  CHECK(take_large(streams.to_copy, 4).empty());
  CHECK(streams.to_copy.size() == 8);
}

TEST_CASE("tables that cannot be divided are copied side by side") {
  Streams streams({10, 1000}, false);
  CHECK(take_large(streams.to_copy, 2).empty());
}

TEST_CASE("small streams are handed out together, fewer towards the end") {
  Streams streams(std::vector<std::uint64_t>(10, 1));
  StreamQueue queue(streams.to_copy, 2);
  CHECK(ids(queue.take()) == Ids{"t1", "t2"});
  CHECK(ids(queue.take()) == Ids{"t3", "t4"});
  CHECK(ids(queue.take()) == Ids{"t5"});
  for (int i = 6; i <= 10; ++i) {
    CHECK(ids(queue.take()) == Ids{"t" + std::to_string(i)});
  }
  CHECK(queue.take().empty());
}

TEST_CASE("at most 8 MiB are handed out together") {
  Streams streams(std::vector<std::uint64_t>(40, 3 * kMebibyte));
  StreamQueue queue(streams.to_copy, 2);
  CHECK(queue.take().size() == 2);
}

TEST_CASE("a view is handed out alone") {
  Streams streams(std::vector<std::uint64_t>(40, 1));
  streams.plans[1].stream.is_view = true;
  StreamQueue queue(streams.to_copy, 2);
  CHECK(ids(queue.take()) == Ids{"t1"});
  CHECK(ids(queue.take()) == Ids{"t2"});
  CHECK(queue.take().size() == 9);
}

TEST_CASE("streams of two databases are not handed out together") {
  Streams streams(std::vector<std::uint64_t>(40, 1));
  for (std::size_t i = 3; i < 40; ++i) {
    streams.plans[i].database = "stock";
  }
  StreamQueue queue(streams.to_copy, 2);
  CHECK(ids(queue.take()) == Ids{"t1", "t2", "t3"});
  CHECK(queue.take().size() == 9);
}
