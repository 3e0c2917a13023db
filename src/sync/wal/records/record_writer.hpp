// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <tap/change/change.hpp>
#include <tap/config/config.hpp>
#include <tap/singer/writer.hpp>
#include <tap/value/encoder.hpp>

#include "commit_visibility.hpp"
#include "toast_backfill.hpp"
#include "wal_stream.hpp"

namespace tap::sync {

/// Turns changes into messages.
class RecordWriter {
 public:
  RecordWriter(const config::Config& config, singer::Writer& writer, CommitVisibility& visibility,
               std::string time_extracted, ToastBackfill::OnFault on_fault);

  /// Writes the messages of an insert, update, delete or truncate of `stream`; `lsn` is the change's. The
  /// connection is for looking things up. Throws StreamError for a fault of the stream alone, TransientError
  /// and ServerError of that connection, and what Writer throws.
  void write(pg::Connection& connection, WalStream& stream, const change::Change& change, Lsn lsn);
  /// The transaction in hand is complete. True if a stream has begun a new version in it: a STATE should
  /// follow.
  bool end_transaction();

  /// Writes what is held back till now. A fault of a stream alone goes to `on_fault`.
  void release(pg::Connection& connection);
  [[nodiscard]] bool holds_any() const { return !backfill_.empty(); }
  /// Forgets what is held, and the transaction in hand: they come again.
  void restart();

  [[nodiscard]] std::uint64_t count() const { return count_; }
  /// The last `sequence` of a RECORD; the next one is higher.
  [[nodiscard]] std::int64_t sequence() const { return sequence_; }
  void raise_sequence(std::int64_t at_least) { sequence_ = std::max(sequence_, at_least); }

 private:
  struct Truncated {
    const WalStream* stream;
    Lsn lsn;
    pg::TableName table;

    bool operator==(const Truncated&) const = default;
  };

  void write_change(pg::Connection& connection, WalStream& stream, const change::Change& change, Lsn lsn);
  void write_new_row(pg::Connection& connection, WalStream& stream, const change::Change& change, Lsn lsn);
  void write_delete(WalStream& stream, const change::Change& change, Lsn lsn);
  void write_row_again(WalStream& stream, const change::Change& change, Lsn lsn);
  void truncate(pg::Connection& connection, WalStream& stream, const change::Change& change, Lsn lsn);
  bool is_emptied(pg::Connection& connection, const WalStream& stream, Lsn lsn);
  /// Finds the columns of a row; looks at the table again for one that is not known.
  void resolve(pg::Connection& connection, WalStream& stream, const std::vector<change::Field>& fields);
  void look_again(pg::Connection& connection, WalStream& stream);
  template <class Fill>
  void write_record(WalStream& stream, Lsn lsn, std::string_view deleted_at, const RowToFetch* row,
                    Fill fill);

  const config::Config& config_;
  singer::Writer& writer_;
  CommitVisibility& visibility_;
  std::string time_extracted_;
  value::Encoder commit_time_;
  ToastBackfill backfill_;
  std::vector<ChangeColumn*> columns_;  ///< of the row in hand; null for one that is left out
  std::set<const WalStream*> renewed_;  ///< emptied in the transaction in hand
  std::vector<Truncated> truncated_;    ///< in it, too: streams or parts of them
  std::int64_t sequence_ = 0;
  std::uint64_t count_ = 0;
};

}  // namespace tap::sync
