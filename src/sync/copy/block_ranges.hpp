// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tap::sync {

/// The place of a row in its table's file: block and offset (manual: System Columns, ctid). Offsets of rows
/// start at 1, so that (b,0) stands before all rows of block b.
struct Ctid {
  std::uint32_t block = 0;
  std::uint16_t offset = 0;

  auto operator<=>(const Ctid&) const = default;
};

/// The value as an SQL literal.
std::string to_sql(Ctid ctid);

/// The rows of a table's file after `after` and before block `end`.
struct BlockRange {
  Ctid after;
  std::optional<std::uint32_t> end{};  ///< nothing: up to the end of the file

  bool operator==(const BlockRange&) const = default;
};

/// The SQL condition for the rows of a range, which the server reads by a TID range scan; empty for all rows.
std::string range_condition(const BlockRange& range);

/// Divides a table's file into ranges, to be read in order with one query each. The first ones are small. The
/// others are as large as the speed seen allows, so that the copy can be resumed from recent positions. A
/// file of at most 1 MiB is usually one range.
class BlockRanges {
 public:
  using Seconds = std::chrono::duration<double>;

  struct File {
    std::uint64_t blocks = 0;
    std::uint64_t bytes = 0;  ///< of the blocks and the TOAST table
  };
  /// What one range should take at most.
  struct Goal {
    /// A quarter of a second, or less if STATEs are to be written more often than that: a target that becomes
    /// 100 times as slow still gets a new position in every half minute. And the rows between two STATEs.
    Goal(Seconds state_every_time, std::uint64_t state_every_rows);

    Seconds time;
    std::uint64_t rows;
  };

  /// For the rows after `after`. If there are several readers, the last ranges are small, so that all of them
  /// finish at about the same time.
  BlockRanges(Ctid after, File file, Goal goal, std::size_t readers = 1);

  /// Returns the next ranges, to be sent to the server together: no round trip passes between them. The first
  /// one has about `first_rows` rows at most. Empty after the last range, which has no end.
  std::vector<BlockRange> next(std::uint64_t first_rows);
  /// Adds to the speed seen: what it took to read a range.
  void note_finished(const BlockRange& range, std::uint64_t rows, Seconds time);
  /// The position when all rows of the range have been read.
  [[nodiscard]] Ctid position_after(const BlockRange& range) const;
  /// Fewer ranges of the first size do not pay for opening a connection.
  static constexpr std::uint64_t kLeastOfReader = 2;
  /// How many ranges of the first size the rest of the file has, at least.
  [[nodiscard]] std::uint64_t count_of_first_size() const { return blocks_left() / first_size_; }

 private:
  [[nodiscard]] std::uint64_t blocks_left() const {
    return after_ && file_.blocks > after_->block ? file_.blocks - after_->block : 0;
  }
  void choose_size();
  /// The number of blocks that have about this many rows; 0 if it is unknown.
  [[nodiscard]] std::uint64_t blocks_of(std::uint64_t rows) const;
  [[nodiscard]] std::size_t count_at_once() const;

  File file_;
  Goal goal_;
  std::size_t readers_;
  std::optional<Ctid> after_;  ///< of the next range; nothing after the last one
  std::uint64_t first_size_;   ///< blocks of the first range
  std::uint64_t size_;         ///< blocks of the next range
  /// What was read since the sizes were last chosen.
  struct {
    double blocks = 0;
    double rows = 0;
    double seconds = 0;
  } seen_;
  double rows_per_block_ = 0;
  double blocks_per_second_ = 0;  ///< 0: unknown
};

}  // namespace tap::sync
