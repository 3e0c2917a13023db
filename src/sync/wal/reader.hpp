// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <tap/change/decoder.hpp>
#include <tap/pg/replication_stream.hpp>
#include <tap/singer/state.hpp>

#include "flush_tracker.hpp"
#include "memory_reconnections.hpp"
#include "sync/progress.hpp"
#include "sync/wal/records/record_writer.hpp"
#include "sync/wal/records/router.hpp"
#include "sync/wal/records/wal_stream.hpp"

namespace tap::sync {

/// Where a database's log is read: settled before anything is written.
struct WalSource {
  std::string database;
  std::string slot;
  std::string server_encoding;
  Lsn end;  ///< where the log ended when the run began: the run goes so far
};

/// One reading of a database's log, for all of its streams at once.
///
/// Positions: what the server has sent moves `reached_`, from the end of one transaction to the next; `safe_`
/// follows once all before it has been written. STATEs say `safe_`, and never more.
class WalReader {
 public:
  WalReader(const config::Config& config, const WalSource& source, std::vector<const StreamPlan*> streams,
            FlushTracker& flush_tracker, singer::State& state, singer::Writer& writer);

  /// Reads from the bookmarks to the end. After TransientError another attempt goes on from where this one
  /// came to. Throws what FullTable::attempt() does, Interrupted after a last STATE; Error
  /// (log_based_unprepared) if the slot refuses.
  void attempt(pg::Connection& connection);

  /// True if the last attempt ended early, to give back the memory of large messages or to ask for other
  /// tables: call attempt() again with a new connection, and the run continues.
  [[nodiscard]] bool wants_new_connections() const { return wants_new_connections_; }

  /// The streams that had a fault of their own, which the others have gone on without.
  [[nodiscard]] const std::vector<std::string>& failed() const { return failed_; }
  [[nodiscard]] const std::deque<WalStream>& streams() const { return streams_; }
  /// True if the last attempt has read all WAL that there was at its start, and waited for more.
  [[nodiscard]] bool was_at_end() const { return was_at_end_; }

 private:
  using Clock = std::chrono::steady_clock;

  void read(pg::Connection& connection);
  void leave_out_other_tables(const pg::Connection& connection, const pg::ServerError& error);
  void look_up_streams(pg::Connection& connection);
  std::unique_ptr<pg::ReplicationStream> open(pg::Connection& connection);
  void take_over_slot(pg::Connection& connection, pg::ReplicationStream& log);
  void throw_error_of(pg::ReplicationStream& log);
  [[nodiscard]] pg::ReplicationStream::Options plugin_options() const;
  void follow(pg::Connection& connection, pg::ReplicationStream& log);
  void detach_callbacks(pg::Connection& connection);  ///< of the stream that is open
  pg::ReplicationStream::Event next_event(pg::ReplicationStream& log, std::chrono::milliseconds patience);
  void on_event(pg::Connection& connection, pg::ReplicationStream& log, const change::Decoder::Sink& sink);
  void on_change(pg::Connection& connection, const change::Change& change, Lsn lsn);
  void on_row(pg::Connection& connection, const change::Change& change, Lsn lsn);
  void fail(WalStream& stream, const Error& error);
  void fail(const StreamPlan& stream, const Error& error);

  [[nodiscard]] bool is_at_end() const;
  [[nodiscard]] bool is_out_of_time() const;
  /// libpq keeps the memory of a large message, and a reconnection to give it back is due. A run to the end
  /// of WAL reconnects only if more WAL is left to read than memory is to be given back.
  [[nodiscard]] bool is_memory_due(const pg::Connection& connection, const pg::ReplicationStream& log,
                                   bool is_idle) const;
  void reach(Lsn lsn);
  void acknowledge(pg::ReplicationStream& log);
  void release(pg::Connection& connection);
  /// `next_transaction` is from after the positions, see record_partitions().
  void note_positions(std::optional<std::uint64_t> next_transaction = std::nullopt);
  void write_state(pg::Connection& connection);
  [[nodiscard]] bool state_is_due(bool look_at_clock) const;

  const config::Config& config_;
  const WalSource& source_;
  std::vector<const StreamPlan*> plans_;
  FlushTracker& flush_tracker_;
  singer::State& state_;
  singer::Writer& writer_;

  std::string time_extracted_;
  bool old_format_;  ///< the config, or the server's wal2json, knows format 1 only
  std::vector<std::string> unknown_options_;
  std::unique_ptr<change::Decoder> decoder_;
  std::deque<WalStream> streams_;  ///< looked up by the first attempt; they do not move
  std::vector<std::string> failed_;
  CommitVisibility visibility_;
  std::optional<Router> routes_;
  RecordWriter records_;
  Progress progress_;

  bool in_transaction_ = false;
  /// What comes is the next run's. The end itself is no place to go on from: a server flushes whole pages,
  /// and a commit that lies across it would be passed over.
  bool past_end_ = false;
  Lsn commit_end_;  ///< of the transaction in hand
  Lsn reached_;
  Lsn safe_;
  Lsn end_at_open_;  ///< where WAL ended when the stream was opened, in a run that follows it
  bool was_at_end_ = false;

  const Clock::time_point started_ = Clock::now();
  Clock::time_point last_news_ = started_;
  Clock::time_point last_state_ = started_;
  MemoryReconnections reconnections_;
  bool wants_new_connections_ = false;
  bool decoding_failed_ = false;    ///< the replication stream has thrown what is thrown
  bool only_known_tables_ = false;  ///< else the server sends all if there are partitions
  bool any_news_ = false;           ///< since the last look at the clock
  std::uint64_t messages_ = 0;      ///< since the last look at the clock, and some
  std::uint64_t records_at_state_ = 0;
  bool state_needed_ = false;
};

}  // namespace tap::sync
