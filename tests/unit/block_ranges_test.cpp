// SPDX-License-Identifier: Apache-2.0
#include "sync/copy/block_ranges.hpp"

#include "catch.hpp"

using namespace tap::sync;

namespace {

using Seconds = BlockRanges::Seconds;
using List = std::vector<BlockRange>;

constexpr std::uint64_t kBlock = 8192;
constexpr std::uint64_t kRows = 100'000;  // between STATEs

/// A file of full blocks without TOAST.
BlockRanges::File file(std::uint64_t blocks) {
  return {.blocks = blocks, .bytes = blocks * kBlock};
}

BlockRanges ranges_of(std::uint64_t blocks, std::uint64_t rows = kRows, Ctid after = {}) {
  return {after, file(blocks), {Seconds{5}, rows}};
}

std::uint64_t blocks_in(const BlockRanges& ranges, const BlockRange& range) {
  return ranges.position_after(range).block - range.after.block;
}

/// Reads all ranges at a constant speed, and checks that nothing lies between them. Returns their sizes.
std::vector<std::uint64_t> read(BlockRanges& ranges, double rows_per_block, double blocks_per_second,
                                std::uint64_t rows_between_states = kRows) {
  std::vector<std::uint64_t> sizes;
  std::optional<Ctid> position;
  std::uint64_t rows_since_state = 0;
  for (List list = ranges.next(rows_between_states); !list.empty();
       list = ranges.next(rows_between_states - rows_since_state)) {
    for (const BlockRange& range : list) {
      REQUIRE(range.after == position.value_or(range.after));
      const auto blocks = static_cast<double>(blocks_in(ranges, range));
      sizes.push_back(blocks_in(ranges, range));
      rows_since_state += static_cast<std::uint64_t>(blocks * rows_per_block);
      ranges.note_finished(range, static_cast<std::uint64_t>(blocks * rows_per_block),
                           Seconds{blocks / blocks_per_second});
      position = ranges.position_after(range);
      if (rows_since_state >= rows_between_states) {
        rows_since_state = 0;
      }
      REQUIRE((range.end.has_value() || &range == &list.back()));
    }
  }
  CHECK(ranges.next(kRows).empty());
  return sizes;
}

}  // namespace

TEST_CASE("conditions select the rows between two positions") {
  CHECK(range_condition({}).empty());
  CHECK(range_condition({.after = {}, .end = 7}) == "ctid OPERATOR(pg_catalog.<) '(7,0)'::pg_catalog.tid");
  CHECK(range_condition({.after = {7, 0}}) == "ctid OPERATOR(pg_catalog.>) '(7,0)'::pg_catalog.tid");
  CHECK(range_condition({.after = {7, 3}, .end = 4294967295}) ==
        "ctid OPERATOR(pg_catalog.>) '(7,3)'::pg_catalog.tid AND "
        "ctid OPERATOR(pg_catalog.<) '(4294967295,0)'::pg_catalog.tid");
}

TEST_CASE("a small table is one range without an end") {
  for (const std::uint64_t blocks : {0U, 1U, 2U, 128U}) {
    CAPTURE(blocks);
    auto ranges = ranges_of(blocks);
    CHECK(ranges.next(kRows) == List{{}});
    CHECK(ranges.position_after({}) == Ctid{static_cast<std::uint32_t>(blocks), 0});
    CHECK(ranges.next(kRows).empty());
  }
}

TEST_CASE("an empty file has one range") {
  BlockRanges ranges({}, {}, {Seconds{5}, kRows});
  CHECK(ranges.next(kRows) == List{{}});
  ranges.note_finished({}, 0, Seconds{0});
  CHECK(ranges.next(kRows).empty());
}

TEST_CASE("ranges begin at the position of an interrupted copy") {
  auto ranges = ranges_of(1000, kRows, {500, 3});
  CHECK(ranges.next(kRows) == List{{{500, 3}, 628}});
  CHECK(ranges.position_after({{500, 3}, 628}) == Ctid{628, 0});
}

TEST_CASE("a position behind the end of a truncated file does not move back") {
  auto ranges = ranges_of(10, kRows, {20, 3});
  CHECK(ranges.next(kRows) == List{{{20, 3}, std::nullopt}});
  CHECK(ranges.position_after({{20, 3}, std::nullopt}) == Ctid{20, 3});
  ranges.note_finished({{20, 3}, std::nullopt}, 0, Seconds{0});
  CHECK(ranges.next(kRows).empty());
}

TEST_CASE("the largest file") {
  constexpr std::uint32_t last = 4294967294;
  auto ranges = ranges_of(std::uint64_t{last} + 1, kRows, {last, 0});
  CHECK(ranges.next(kRows) == List{{{last, 0}, std::nullopt}});
  CHECK(ranges.position_after({{last, 0}, std::nullopt}) == Ctid{last + 1, 0});
}

TEST_CASE("ranges grow up to what can be read in a quarter of a second") {
  auto ranges = ranges_of(100'000);
  const auto sizes = read(ranges, 0.1, 10'000);
  REQUIRE(sizes.size() > 30);
  CHECK(sizes[0] == 128);
  CHECK(sizes[1] == 512);
  CHECK(sizes[16] == 512);  // the last one that was sent together with the second
  CHECK(sizes[17] == 2048);
  for (std::size_t i = 26; i + 1 < sizes.size(); ++i) {
    CHECK(sizes[i] == 2500);
  }
}

TEST_CASE("ranges shrink when the target slows down") {
  auto ranges = ranges_of(1'000'000);
  ranges.note_finished(ranges.next(kRows).front(), 0, Seconds{0.001});
  for (const BlockRange& range : ranges.next(kRows)) {
    ranges.note_finished(range, 100, Seconds{10});
  }
  const List slow = ranges.next(kRows);
  CHECK(blocks_in(ranges, slow.front()) == 13);  // 51.2 blocks a second
}

TEST_CASE("a range has about the rows between two STATEs") {
  auto ranges = ranges_of(100, 50);
  const auto sizes = read(ranges, 25, 100'000, 50);
  CHECK(sizes[0] == 1);
  CHECK(sizes[1] == 1);  // the rest of the rows until the first STATE
  for (std::size_t i = 2; i < sizes.size(); ++i) {
    CHECK(sizes[i] == 2);
  }
}

TEST_CASE("a block may have more rows than lie between two STATEs") {
  auto ranges = ranges_of(30, 3);
  for (const std::uint64_t size : read(ranges, 100, 100'000, 3)) {
    CHECK(size == 1);
  }
}

TEST_CASE("ranges without rows grow") {
  auto ranges = ranges_of(1'000'000);
  const auto sizes = read(ranges, 0, 1'000'000'000);
  CHECK(sizes.size() < 200);
}

TEST_CASE("large values make the first range small") {
  BlockRanges ranges({}, {.blocks = 1000, .bytes = 100'000'000'000}, {Seconds{5}, kRows});
  CHECK(ranges.next(kRows) == List{{{}, 1}});
}

TEST_CASE("few ranges are sent together if they take long") {
  auto ranges = ranges_of(1'000'000);
  ranges.note_finished(ranges.next(kRows).front(), 0, Seconds{128});
  CHECK(ranges.next(kRows).size() == 2);  // of one block each, at one block a second
}
