// SPDX-License-Identifier: Apache-2.0
#include "block_ranges.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <spdlog/fmt/fmt.h>

namespace tap::sync {

namespace {

constexpr std::uint64_t kFirstBytes = std::uint64_t{1} << 20U;
constexpr std::uint64_t kMostRowsOfBlock = 291;  // of 8 KiB, the usual size of a block
constexpr std::uint64_t kMostGrowth = 4;

// Ranges that are sent together cannot be made smaller when the target slows down.
constexpr std::size_t kMostAtOnce = 16;
constexpr double kSecondsAtOnce = 2;

// Among several readers: parts of what is left, and the smallest part of the first size.
constexpr std::uint64_t kSharesOfReader = 2;
constexpr std::uint64_t kLeastShare = 8;

std::uint64_t first_size(BlockRanges::File file, BlockRanges::Goal goal) {
  const std::uint64_t bytes_of_block =
      std::max<std::uint64_t>(file.bytes, 1) / std::max<std::uint64_t>(file.blocks, 1);
  const std::uint64_t blocks =
      std::min(kFirstBytes / std::max<std::uint64_t>(bytes_of_block, 1), goal.rows / kMostRowsOfBlock);
  return std::max<std::uint64_t>(blocks, 1);
}

}  // namespace

std::string to_sql(Ctid ctid) {
  return fmt::format("'({},{})'::pg_catalog.tid", ctid.block, ctid.offset);
}

std::string range_condition(const BlockRange& range) {
  std::string condition;
  if (range.after != Ctid()) {
    condition = fmt::format("ctid OPERATOR(pg_catalog.>) {}", to_sql(range.after));
  }
  if (range.end) {
    condition += fmt::format("{}ctid OPERATOR(pg_catalog.<) {}", condition.empty() ? "" : " AND ",
                             to_sql({*range.end, 0}));
  }
  return condition;
}

BlockRanges::Goal::Goal(Seconds state_every_time, std::uint64_t state_every_rows)
    : time(std::clamp(state_every_time, Seconds{0.01}, Seconds{0.25})), rows(state_every_rows) {}

BlockRanges::BlockRanges(Ctid after, File file, Goal goal, std::size_t readers)
    : file_(file),
      goal_(goal),
      readers_(readers),
      after_(after),
      first_size_(first_size(file, goal)),
      size_(first_size_) {}

std::vector<BlockRange> BlockRanges::next(std::uint64_t first_rows) {
  choose_size();
  std::vector<BlockRange> ranges;
  while (after_ && ranges.size() < count_at_once()) {
    std::uint64_t size = size_;
    if (const std::uint64_t most = blocks_of(first_rows); ranges.empty() && most > 0) {
      size = std::min(size, most);
    }
    if (readers_ > 1) {
      const std::uint64_t share = blocks_left() / (kSharesOfReader * readers_);
      size = std::min(size, std::max({share, first_size_ / kLeastShare, std::uint64_t{1}}));
    }
    BlockRange& range = ranges.emplace_back(BlockRange{*after_});
    if (const std::uint64_t end = after_->block + size; end < file_.blocks) {
      range.end = static_cast<std::uint32_t>(end);
      after_ = Ctid{*range.end, 0};
    } else {
      after_.reset();
    }
  }
  return ranges;
}

void BlockRanges::note_finished(const BlockRange& range, std::uint64_t rows, Seconds time) {
  seen_.blocks += static_cast<double>(position_after(range).block - range.after.block);
  seen_.rows += static_cast<double>(rows);
  seen_.seconds += time.count();
}

Ctid BlockRanges::position_after(const BlockRange& range) const {
  const Ctid end{range.end.value_or(static_cast<std::uint32_t>(file_.blocks)), 0};
  return std::max(range.after, end);
}

void BlockRanges::choose_size() {
  if (seen_.blocks == 0) {
    return;
  }
  const auto seen = std::exchange(seen_, {});
  rows_per_block_ = seen.rows / seen.blocks;
  blocks_per_second_ = seen.seconds > 0 ? seen.blocks / seen.seconds : 0;
  double size = static_cast<double>(size_ * kMostGrowth);
  if (blocks_per_second_ > 0) {
    size = std::min(size, blocks_per_second_ * goal_.time.count());
  }
  size_ = std::max<std::uint64_t>(static_cast<std::uint64_t>(std::round(size)), 1);
  if (const std::uint64_t most = blocks_of(goal_.rows); most > 0) {
    size_ = std::min(size_, most);
  }
}

std::uint64_t BlockRanges::blocks_of(std::uint64_t rows) const {
  if (rows_per_block_ <= 0) {
    return 0;
  }
  const double blocks = std::ceil(static_cast<double>(rows) / rows_per_block_);
  return static_cast<std::uint64_t>(std::clamp(blocks, 1.0, static_cast<double>(file_.blocks + 1)));
}

std::size_t BlockRanges::count_at_once() const {
  if (blocks_per_second_ <= 0) {
    return 1;
  }
  if (readers_ > 1) {  // few: the position moves when the reader of the first range has finished
    return 2;
  }
  const double ranges = kSecondsAtOnce * blocks_per_second_ / static_cast<double>(size_);
  return static_cast<std::size_t>(std::clamp(ranges, 1.0, static_cast<double>(kMostAtOnce)));
}

}  // namespace tap::sync
