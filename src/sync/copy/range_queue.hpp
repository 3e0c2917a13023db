// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "block_ranges.hpp"

namespace tap::sync {

/// The ranges of several partitions, which several readers read at the same time. They are handed out in
/// order, so that the ranges read have at most a few gaps. Does no locking.
class RangeQueue {
 public:
  /// A range that a reader reads.
  struct Item {
    std::uint64_t number = 0;   ///< counts from 0 in the order of handing out
    std::size_t partition = 0;  ///< index in the constructor's argument
    BlockRange range{};

    bool operator==(const Item&) const = default;
  };
  /// A position that has been reached: all rows before it, in this partition and all earlier ones, were
  /// written.
  struct Position {
    std::size_t partition = 0;
    Ctid ctid{};
    bool is_end = false;  ///< the partition is complete

    bool operator==(const Position&) const = default;
  };

  RangeQueue(std::vector<BlockRanges> partitions, std::size_t readers);

  /// Returns the next ranges for one reader, of the same partition. Empty if there are no more, or if the
  /// reader must wait because too many ranges after an unfinished one have been handed out.
  std::vector<Item> take();
  /// True if take() has returned the last range.
  [[nodiscard]] bool is_exhausted() const { return next_ == partitions_.size(); }
  /// Adds to the speed seen, see BlockRanges.
  void note_read(const Item& item, std::uint64_t rows, BlockRanges::Seconds time);
  /// Call when all rows of the range with this number have been written. Returns the positions that have
  /// been reached by this, in order.
  std::vector<Position> note_written(std::uint64_t number);

 private:
  struct Entry {
    Item item;
    bool is_written = false;
  };

  std::vector<BlockRanges> partitions_;
  std::size_t next_ = 0;            ///< the partition of the next range
  std::deque<Entry> unfinished_;    ///< from the first range that is not written on
  std::uint64_t first_number_ = 0;  ///< of `unfinished_`
  std::size_t most_unfinished_;
};

}  // namespace tap::sync
