// SPDX-License-Identifier: Apache-2.0
#include "range_queue.hpp"

#include <limits>
#include <utility>

namespace tap::sync {

namespace {

// An interrupted copy repeats what was read after an unfinished range.
constexpr std::size_t kMostUnfinishedOfReader = 8;

}  // namespace

RangeQueue::RangeQueue(std::vector<BlockRanges> partitions, std::size_t readers)
    : partitions_(std::move(partitions)), most_unfinished_(kMostUnfinishedOfReader * readers) {}

std::vector<RangeQueue::Item> RangeQueue::take() {
  std::vector<Item> items;
  while (items.empty() && !is_exhausted() && unfinished_.size() < most_unfinished_) {
    for (const BlockRange& range : partitions_[next_].next(std::numeric_limits<std::uint64_t>::max())) {
      const Item item{first_number_ + unfinished_.size(), next_, range};
      unfinished_.push_back({item});
      items.push_back(item);
    }
    if (items.empty() || !items.back().range.end) {
      ++next_;
    }
  }
  return items;
}

void RangeQueue::note_read(const Item& item, std::uint64_t rows, BlockRanges::Seconds time) {
  partitions_[item.partition].note_finished(item.range, rows, time);
}

std::vector<RangeQueue::Position> RangeQueue::note_written(std::uint64_t number) {
  unfinished_[number - first_number_].is_written = true;
  std::vector<Position> reached;
  for (; !unfinished_.empty() && unfinished_.front().is_written; ++first_number_) {
    const Item& item = unfinished_.front().item;
    reached.push_back(
        {item.partition, partitions_[item.partition].position_after(item.range), !item.range.end});
    unfinished_.pop_front();
  }
  return reached;
}

}  // namespace tap::sync
