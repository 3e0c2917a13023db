// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <tap/base/buffer.hpp>
#include <tap/base/error.hpp>
#include <tap/pg/connection.hpp>
#include <tap/singer/writer.hpp>

#include "wal_stream.hpp"

namespace tap::sync {

/// A row that is to be read again: columns of a stream's table, by key (names, and values as text).
struct RowToFetch {
  WalStream* stream = nullptr;
  std::vector<ChangeColumn*> columns{};
  std::vector<std::pair<std::string, std::string>> key{};
  bool is_all = false;  ///< the record has nothing else: without the row there is none
};

/// Records that wait for columns which the log does not have, and those that come after them, in order. The
/// columns are read from the table, many rows at a time: newer values are fine, since their change follows.
class ToastBackfill {
 public:
  /// Told of a fault that is one stream's alone, and makes it a failed one.
  using OnFault = std::function<void(WalStream&, const StreamError&)>;

  explicit ToastBackfill(OnFault on_fault) : on_fault_(std::move(on_fault)) {}

  [[nodiscard]] bool empty() const { return text_.empty(); }
  /// Enough is held to be read.
  [[nodiscard]] bool is_full() const;

  /// A RECORD, see singer::Writer. `row`, unless it is null, has columns to be added to it. Returns the size
  /// without them.
  template <class Fill>
  std::size_t record(const singer::RecordFrame& frame, Fill fill, const RowToFetch* row) {
    const std::size_t start = text_.size();
    try {
      text_.append(frame.before);
      fill(text_);
      const std::size_t at = text_.size();
      text_.append(frame.after);
      if (row != nullptr) {
        pending_rows_.push_back({start, at, text_.size(), *row, {}});
      }
    } catch (...) {
      text_.truncate(start);
      throw;
    }
    return text_.size() - start;
  }

  /// Reads what is missing and writes all that is held. A row that is gone keeps its gap: its delete follows.
  /// Records that a failed stream should have read more for are not written: they come again.
  void release(pg::Connection& connection, singer::Writer& writer);
  /// Forgets what is held: it comes again.
  void forget();

 private:
  struct PendingRow {
    std::size_t start;  ///< of the record in the text
    std::size_t at;     ///< behind its last column
    std::size_t end;
    RowToFetch row;
    Buffer filling;
    bool is_large = false;  ///< to be read by itself, when its turn to be written comes
  };

  /// Reads the columns of rows that ask for the same ones, but of no row with more than `most` bytes in them.
  void fill(pg::Connection& connection, const std::vector<PendingRow*>& pending, std::size_t most);
  static void read(pg::Connection& connection, const std::vector<PendingRow*>& pending, std::size_t most);
  static bool leave_out_dropped(pg::Connection& connection, const std::vector<PendingRow*>& rows);

  OnFault on_fault_;
  Buffer text_;
  std::vector<PendingRow> pending_rows_;
  std::size_t batch_ = 8;  ///< rows to read at once: few, until it is known how large they are
};

}  // namespace tap::sync
