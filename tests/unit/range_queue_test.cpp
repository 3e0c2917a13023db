// SPDX-License-Identifier: Apache-2.0
#include "sync/copy/range_queue.hpp"

#include "catch.hpp"

using namespace tap::sync;

namespace {

using Item = RangeQueue::Item;
using Position = RangeQueue::Position;
using Items = std::vector<Item>;
using Positions = std::vector<Position>;

BlockRanges ranges_of(std::uint64_t blocks, std::size_t readers = 2) {
  return {{}, {.blocks = blocks, .bytes = blocks * 8192}, {BlockRanges::Seconds{5}, 100'000}, readers};
}

}  // namespace

TEST_CASE("ranges are handed out in order, from one partition after another") {
  RangeQueue queue({ranges_of(600), ranges_of(10)}, 2);
  CHECK(queue.take() == Items{{0, 0, {{}, 128}}});
  CHECK(queue.take() == Items{{1, 0, {{128, 0}, 128 + 118}}});  // a quarter of what is left
  std::uint32_t position = 128 + 118;
  std::uint64_t number = 2;
  while (true) {
    const Items items = queue.take();
    REQUIRE(items.size() == 1);
    CHECK(items[0].number == number++);
    if (items[0].partition == 1) {
      CHECK(items[0].range == BlockRange{});
      break;
    }
    CHECK(items[0].range.after == Ctid{position, 0});
    position = items[0].range.end.value_or(600);
    queue.note_written(items[0].number);
  }
  CHECK(position == 600);
  CHECK(queue.is_exhausted());
  CHECK(queue.take().empty());
}

TEST_CASE("a position is reached once all ranges before it were written") {
  RangeQueue queue({ranges_of(200, 1), ranges_of(10, 1)}, 2);
  CHECK(queue.take().size() == 1);  // blocks 0 to 127
  CHECK(queue.take().size() == 1);  // the rest
  CHECK(queue.take().size() == 1);  // the other partition
  CHECK(queue.is_exhausted());
  CHECK(queue.note_written(2).empty());
  CHECK(queue.note_written(1).empty());
  CHECK(queue.note_written(0) == Positions{{0, {128, 0}, false}, {0, {200, 0}, true}, {1, {10, 0}, true}});
}

TEST_CASE("readers wait if an unfinished range is far behind") {
  RangeQueue queue({ranges_of(1'000'000, 1)}, 2);
  for (int i = 0; i < 16; ++i) {
    CHECK(queue.take().size() == 1);
  }
  CHECK(queue.take().empty());
  CHECK_FALSE(queue.is_exhausted());
  CHECK(queue.note_written(1).empty());
  CHECK(queue.take().empty());
  CHECK(queue.note_written(0) == Positions{{0, {128, 0}, false}, {0, {256, 0}, false}});
  CHECK(queue.take() == Items{{16, 0, {{16 * 128, 0}, 17 * 128}}});
}

TEST_CASE("an empty queue is exhausted") {
  RangeQueue queue({}, 2);
  CHECK(queue.is_exhausted());
  CHECK(queue.take().empty());
}

TEST_CASE("the speed seen changes the sizes of the ranges") {
  RangeQueue queue({ranges_of(1'000'000, 2)}, 2);
  const Items first = queue.take();
  queue.note_read(first[0], 10, BlockRanges::Seconds{0.001});
  const Items second = queue.take();
  REQUIRE(second.size() == 2);  // sent together
  CHECK(second[0].range == BlockRange{{128, 0}, 128 + 512});
  CHECK(second[1].range == BlockRange{{128 + 512, 0}, 128 + 2 * 512});
}
