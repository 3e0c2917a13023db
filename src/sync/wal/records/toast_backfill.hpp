// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

#include <tap/base/buffer.hpp>
#include <tap/base/error.hpp>
#include <tap/singer/writer.hpp>

#include "table_lookup.hpp"
#include "wal_stream.hpp"

namespace tap::sync {

/// Columns of a row that WAL does not have, to be read from the stream's table.
struct RowToFetch {
  WalStream* stream = nullptr;
  std::vector<ChangeColumn*> columns{};
  RowKey key{};
  bool has_only_fetched = false;  ///< without these columns the record is not written
};

/// Keeps RECORD lines back, in order, while columns that WAL does not have are read from their tables, many
/// rows at a time: unchanged TOAST columns, virtual generated columns. The values may be newer than the
/// change; the later changes of the row then follow.
class ToastBackfill {
 public:
  /// Reports an error of one stream, and marks that stream as failed.
  using OnError = std::function<void(WalStream&, const Error&)>;

  explicit ToastBackfill(OnError on_error) : on_error_(std::move(on_error)) {}

  /// True if no record waits.
  [[nodiscard]] bool is_empty() const { return lines_.empty(); }
  /// True if enough records wait for release().
  [[nodiscard]] bool is_full() const;

  /// Appends a RECORD, see singer::Writer::record(). Unless `row` is null, its columns will be added. Returns
  /// the size of the line without them.
  template <class Fill>
  std::size_t record(const singer::RecordFrame& frame, Fill fill, const RowToFetch* row) {
    const std::size_t start = lines_.size();
    try {
      lines_.append(frame.before);
      fill(lines_);
      const std::size_t insert_at = lines_.size();
      lines_.append(frame.after);
      if (row != nullptr) {
        pending_rows_.push_back({start, insert_at, lines_.size(), *row, {}});
      }
    } catch (...) {
      lines_.truncate(start);
      throw;
    }
    return lines_.size() - start;
  }

  /// Reads the missing columns and writes all lines. A deleted row is written without these columns; its
  /// DELETE follows. Records of a failed stream that need more columns are dropped: the next run sends them.
  /// Throws transient errors of TableLookup, and what Writer throws; other errors go to `on_error`.
  void release(TableLookup& lookup, singer::Writer& writer);
  /// Drops all lines: they will be sent again.
  void clear();

 private:
  /// A record that waits for columns.
  struct PendingRow {
    std::size_t start;      ///< of its line in `lines_`
    std::size_t insert_at;  ///< after its last column
    std::size_t end;
    RowToFetch row;
    Buffer fetched;         ///< the columns that were read: `,"name":value`
    bool is_large = false;  ///< read alone, just before it is written
  };

  /// Reads the columns of rows that lack the same ones. Rows with more than `max_bytes` of values become
  /// large ones.
  void fetch(TableLookup& lookup, const std::vector<PendingRow*>& rows, std::size_t max_bytes);
  static void read(TableLookup& lookup, const std::vector<PendingRow*>& rows, std::size_t max_bytes);
  static bool leave_out_dropped(TableLookup& lookup, const std::vector<PendingRow*>& rows);
  void adjust_batch(std::size_t bytes_read);

  OnError on_error_;
  Buffer lines_;
  std::vector<PendingRow> pending_rows_;
  std::size_t batch_size_ = 8;  ///< rows to read at once: few, until their size is known
};

}  // namespace tap::sync
