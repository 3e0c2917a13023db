// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <tap/config/config.hpp>
#include <tap/singer/state.hpp>
#include <tap/singer/writer.hpp>
#include <tap/sync/plan.hpp>
#include <tap/sync/slots/selection.hpp>

#include "sync/wal/output_plugin.hpp"
#include "sync/wal/records/wal_stream.hpp"

namespace tap::sync {

/// The streams of one WAL reader: their tables, their bookmarks, and which of them have failed.
class WalStreams {
 public:
  /// All arguments must outlive this object.
  WalStreams(const config::Config& config, std::vector<const StreamPlan*> plans, singer::State& state);

  /// Looks up the tables and writes a SCHEMA for each, the first time. A stream whose table cannot be read
  /// fails. Throws what pg::Connection::query() does if it is transient, and what Writer does.
  void look_up(pg::Connection& connection, const WalSource& source, singer::Writer& writer,
               const std::string& time_extracted);

  /// Logs the error, and reports the stream as failed. Its bookmark stays.
  void fail(WalStream& stream, const Error& error);
  [[nodiscard]] bool have_all_failed() const;
  /// A stream that failed, by its ID.
  struct Failure {
    std::string stream;
    std::string error;
  };
  [[nodiscard]] const std::vector<Failure>& failed() const { return failed_; }

  /// Where reading starts: the minimum over the bookmarks of the streams that have not failed. A failed
  /// stream would fail at the same place again. There must be a stream that has not failed.
  [[nodiscard]] Lsn start() const;
  /// The bookmarks of the streams that have not failed.
  [[nodiscard]] std::vector<StreamPosition> positions() const;

  /// True if a stream has partitions or child tables, so that update_bookmarks() needs the next transaction
  /// ID.
  [[nodiscard]] bool need_next_transaction_id() const;
  /// Brings the state up to date. `written` is WalPositions::written_lsn(); `next_transaction_id` was taken
  /// after that, see record_partitions(); `sequence` is the last one that a record had, 0 if none.
  void update_bookmarks(Lsn written, std::optional<std::uint64_t> next_transaction_id, std::int64_t sequence);

  /// The positions that update_bookmarks() gets from now on are of this timeline, which the present ones are
  /// a part of.
  void set_timeline(const pg::Timeline& timeline) { timeline_ = to_text(timeline); }

  /// Stores `records`, by stream, in the bookmarks that have reached `end`.
  void record_publications(const std::map<std::string, Json>& records, Lsn end);

  [[nodiscard]] std::deque<WalStream>& all() { return streams_; }
  [[nodiscard]] const std::deque<WalStream>& all() const { return streams_; }

 private:
  void fail(const StreamPlan& plan, const Error& error);

  const config::Config& config_;
  std::vector<const StreamPlan*> plans_;
  singer::State& state_;
  std::string timeline_;           ///< empty before the first connection
  std::deque<WalStream> streams_;  ///< those whose table was found; they do not move
  std::vector<Failure> failed_;
};

}  // namespace tap::sync
