// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tap/pg/connection.hpp>
#include <tap/pg/input_pacing.hpp>
#include <tap/pg/timeline.hpp>
#include <tap/pgtypes/lsn.hpp>

namespace tap::pg {

/// The positions of a standby status update (manual: Streaming Replication Protocol).
struct Progress {
  Lsn written;  ///< received here
  Lsn flushed;  ///< kept by the target: the server may remove WAL up to here
  Lsn applied;  ///< as `flushed`; only synchronous replication cares
};

/// Reads the payloads of a logical replication slot (manual: Streaming Replication Protocol), undecoded.
class ReplicationStream {
 public:
  /// The names and values of the output plugin's options.
  using Options = std::vector<std::pair<std::string, std::string>>;

  /// Opens a replication connection and starts at `start`, or at the slot's confirmed flush LSN if that is
  /// later. Throws as Connection::Connection() does; ServerError if the server cannot start the stream.
  ReplicationStream(const ConnectionSettings& server, const std::string& database, const std::string& slot,
                    Lsn start, const Options& options);

  ReplicationStream(const ReplicationStream&) = delete;  // libpq points to it
  ReplicationStream& operator=(const ReplicationStream&) = delete;

  enum class Event { message, keepalive, nothing };
  /// Waits for the next event, at most `timeout`. Answers a keepalive that requests an answer. Throws
  /// TransientError, ServerError, Interrupted.
  Event next(std::chrono::milliseconds timeout);

  /// The timeline of the LSNs.
  [[nodiscard]] const Timeline& timeline() const { return timeline_; }

  /// The last message: its LSN, as the plugin reports it, and its payload, valid until the next event.
  [[nodiscard]] Lsn lsn() const { return lsn_; }
  [[nodiscard]] std::string_view payload() const { return payload_; }
  /// Frees the payload, which next() does otherwise. Worth it for a large one.
  void free_payload() {
    message_.reset();
    payload_ = {};
  }
  /// The last keepalive: the server has sent what was committed up to here.
  [[nodiscard]] Lsn sent_up_to() const { return sent_up_to_; }

  /// The server's clock in microseconds since 2000-01-01 UTC, when it sent the last message or keepalive.
  [[nodiscard]] std::int64_t server_clock() const { return server_clock_; }

  /// See Connection::retained_memory().
  [[nodiscard]] std::size_t retained_memory() const { return connection_.retained_memory(); }

  /// Sets the slot's confirmed flush LSN: set_flushed() sends no lower position, because some servers would
  /// move the slot back.
  void set_confirmed(Lsn confirmed) { confirmed_ = confirmed; }
  /// Acknowledges `flushed`, at once if it has advanced. A position below the confirmed one is not sent.
  void set_flushed(Lsn flushed);
  /// Requests a keepalive, which reports how far the server has sent.
  void request_keepalive();
  /// Sends a status update if one is due. To be called during long work between calls of next(), which
  /// reports any failure.
  void stay_alive() noexcept;
  /// Ends the stream and waits, at most two seconds, until the server has released the slot.
  void finish() noexcept;

 private:
  using Clock = std::chrono::steady_clock;

  bool receive(std::chrono::milliseconds timeout);
  void check_silence();
  bool send_status(bool ask_for_keepalive) noexcept;
  [[noreturn]] void fail();

  static void receive_notice(void* stream, const pg_result* notice);

  Connection connection_;
  InputPacing pacing_;
  Timeline timeline_;
  std::string skipped_publication_;  ///< the server's warning that it leaves one out
  std::unique_ptr<char, void (*)(char*)> message_;
  std::string_view payload_;
  std::size_t size_ = 0;
  Lsn lsn_;
  Lsn sent_up_to_;
  std::int64_t server_clock_ = 0;
  Lsn confirmed_;
  Progress progress_;
  Clock::time_point last_status_;
  bool has_received_ = true;              ///< since the last check_silence()
  Clock::time_point silent_since_;        ///< valid if nothing was received
  bool has_requested_keepalive_ = false;  ///< since silent_since_
  std::chrono::milliseconds status_interval_{};
};

/// The options that the output plugin pgoutput requires (manual: Logical Streaming Replication Parameters).
ReplicationStream::Options pgoutput_options(const std::vector<std::string>& publications, bool is_binary);

}  // namespace tap::pg
