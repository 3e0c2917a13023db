// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <tap/change/decoder.hpp>
#include <tap/pg/replication_stream.hpp>
#include <tap/sync/report.hpp>

#include "flush_tracker.hpp"
#include "memory_reconnections.hpp"
#include "positions.hpp"
#include "replication_error.hpp"
#include "replication_start.hpp"
#include "run_limits.hpp"
#include "streams.hpp"
#include "sync/progress.hpp"
#include "sync/state_writer.hpp"
#include "sync/wal/records/record_writer.hpp"
#include "sync/wal/records/router.hpp"
#include "wal_progress.hpp"

namespace tap::sync {

/// Reads the WAL of one database, once for all of its streams: a loop that takes messages from the
/// replication slot, has them decoded, routed and written, and stops at the limits of the run.
class WalReader {
 public:
  /// Reads from the bookmarks in the state, which it keeps up to date. All references must outlive this
  /// object.
  WalReader(const config::Config& config, const WalSource& source,
            const std::vector<const StreamPlan*>& streams, FlushTracker& flush_tracker, StateWriter& states,
            singer::Writer& writer);

  /// Reads until the run ends; `connection` is for lookups. Can be called again after TransientError, or a
  /// ServerError that is_transient(): it resumes where the failed attempt stopped. Throws these; Interrupted,
  /// after a last STATE; OutputError; Error (log_based_unprepared) if the slot cannot be read; Error
  /// (run_failed) if a transaction cannot be decoded. A fault of one stream ends that stream only.
  void attempt(pg::Connection& connection);

  /// True if the last attempt returned before the end of the run, to free the memory of large messages or to
  /// request other tables or another format: call attempt() again with a new connection.
  [[nodiscard]] bool wants_new_connections() const { return wants_new_connections_; }
  [[nodiscard]] const std::vector<WalStreams::Failure>& failed() const { return streams_.failed(); }
  [[nodiscard]] const std::deque<WalStream>& streams() const { return streams_.all(); }
  /// How far WAL has been read in all attempts.
  [[nodiscard]] WalReport report() const;
  /// See WalPositions::has_caught_up(); of the last attempt.
  [[nodiscard]] bool has_caught_up() const { return positions_.has_caught_up(); }

 private:
  using Clock = std::chrono::steady_clock;

  void read(pg::Connection& connection);
  std::unique_ptr<pg::ReplicationStream> start(pg::Connection& connection);
  /// True if all values of all streams can be read in binary format.
  [[nodiscard]] bool reads_binary(const pg::Connection& connection);
  /// Requests values as text in the next attempt, which reads on from the last commit.
  void switch_to_text(const char* reason);
  /// The server cannot decode a transaction: requests fewer tables in the next attempt, or throws.
  void restrict_tables(const pg::Connection& connection, const ReplicationError& error);

  void read_to_end(pg::Connection& connection, pg::ReplicationStream& replication);
  [[nodiscard]] WalProgress progress(const pg::ReplicationStream& replication) const;
  /// Everything that depends on the time. Not called for every message, because reading the clock is slow.
  void look_at_clock(const pg::ReplicationStream& replication);
  void next(pg::Connection& connection, pg::ReplicationStream& replication,
            const change::Decoder::Sink& sink);
  void on_change(TableLookup& lookup, const change::Change& change, Lsn lsn);
  void on_row(TableLookup& lookup, const change::Change& change, Lsn lsn);
  [[nodiscard]] bool is_at_end() const;
  [[nodiscard]] bool is_state_due(bool look_at_clock);
  [[nodiscard]] bool is_reconnection_due(const pg::Connection& connection,
                                         const pg::ReplicationStream& replication, bool is_idle) const;

  /// Everything received has been written, unless rows wait for TOAST backfill.
  void update_written_lsn();
  /// Writes the rows that wait for TOAST backfill.
  void write_pending_rows(pg::Connection& connection);
  void write_state(pg::Connection& connection);
  void acknowledge(pg::ReplicationStream& replication);

  const config::Config& config_;
  const WalSource& source_;
  FlushTracker& flush_tracker_;
  StateWriter& states_;
  singer::Writer& writer_;

  std::string time_extracted_;
  WalStreams streams_;
  OutputPlugin plugin_;
  bool needs_text_ = false;         ///< some values cannot be read in binary format
  bool only_known_tables_ = false;  ///< do not request all tables, even if there are partitions
  std::unique_ptr<change::Decoder> decoder_;
  CommitVisibility visibility_;
  std::optional<Router> router_;
  RecordWriter records_;

  WalPositions positions_;
  std::optional<Lsn> first_lsn_;  ///< where the first attempt began
  std::string commit_time_;       ///< of the last transaction that began
  Lsn end_of_wal_;                ///< as the server last reported it
  RunLimits limits_;
  MemoryReconnections reconnections_;
  Progress progress_;
  bool wants_new_connections_ = false;
  bool wants_state_ = false;                ///< at the next opportunity, if it is cheap
  bool has_new_messages_ = false;           ///< since the last reading of the clock
  std::uint64_t messages_until_clock_ = 0;  ///< until the next reading of the clock
};

}  // namespace tap::sync
