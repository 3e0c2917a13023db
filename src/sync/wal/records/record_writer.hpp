// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <tap/change/change.hpp>
#include <tap/config/config.hpp>
#include <tap/singer/writer.hpp>
#include <tap/value/encoder.hpp>

#include "commit_visibility.hpp"
#include "table_lookup.hpp"
#include "toast_backfill.hpp"
#include "truncates.hpp"
#include "wal_stream.hpp"

namespace tap::sync {

/// Turns changes into Singer messages: RECORD, SCHEMA after a schema change, ACTIVATE_VERSION after TRUNCATE.
class RecordWriter {
 public:
  /// The references must outlive this object. `time_extracted` is written into the messages.
  RecordWriter(const config::Config& config, singer::Writer& writer, CommitVisibility& visibility,
               std::string time_extracted, ToastBackfill::OnError on_error);

  /// Writes the messages of an insert, update, delete or truncate of `stream`, whose position in WAL is
  /// `lsn`. Records may wait for write_pending(). Throws StreamError if this stream cannot continue, and what
  /// TableLookup and Writer throw.
  void write(TableLookup& lookup, WalStream& stream, const change::Change& change, Lsn lsn);
  /// Call after the last change of each transaction. True if a stream has begun a new version: a STATE should
  /// follow.
  bool end_transaction();

  /// Writes the records that wait for columns WAL does not have. An error of one stream goes to `on_error`.
  void write_pending(TableLookup& lookup);
  [[nodiscard]] bool has_pending() const { return !backfill_.is_empty(); }
  /// Drops pending records and the current transaction: WAL will be read again from before them.
  void discard_pending();

  /// The number of RECORDs so far.
  [[nodiscard]] std::uint64_t count() const { return count_; }
  /// The last `sequence` of a RECORD; the next one is higher.
  [[nodiscard]] std::int64_t sequence() const { return sequence_; }
  void raise_sequence(std::int64_t at_least) { sequence_ = std::max(sequence_, at_least); }

 private:
  void write_row_change(TableLookup& lookup, WalStream& stream, const change::Change& change, Lsn lsn);
  bool find_columns(WalStream& stream, const change::Change& change);
  void look_up_table(TableLookup& lookup, WalStream& stream);
  bool try_write(WalStream& stream, const change::Change& change, Lsn lsn);
  void write_new_row(WalStream& stream, const change::Change& change, Lsn lsn);
  void write_delete(WalStream& stream, const change::Change& change, Lsn lsn);
  void write_current_row(WalStream& stream, const change::Change& change, Lsn lsn);
  void write_truncate(TableLookup& lookup, WalStream& stream, const change::Change& change, Lsn lsn);
  template <class Fill>
  void write_record(WalStream& stream, Lsn lsn, std::string_view deleted_at, const RowToFetch* row,
                    Fill fill);

  const config::Config& config_;
  singer::Writer& writer_;
  CommitVisibility& visibility_;
  std::string time_extracted_;
  value::Encoder commit_time_;
  ToastBackfill backfill_;
  Truncates truncates_;
  std::vector<ChangeColumn*> columns_;  ///< of the current change's fields; null for an unknown column
  std::vector<ChangeColumn*> absent_;   ///< synced columns whose values the change lacks
  std::int64_t sequence_ = 0;
  std::uint64_t count_ = 0;
};

}  // namespace tap::sync
