// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tap/pg/connection.hpp>
#include <tap/pgtypes/lsn.hpp>

namespace tap::pg {

/// How far we are, as the server wants to know it.
struct Progress {
  Lsn written;  ///< received here
  Lsn flushed;  ///< kept by the target: the server frees the log up to here, for good
  Lsn applied;  ///< as `flushed`; only synchronous replication cares
};

/// The messages of a logical replication slot (manual: Streaming Replication Protocol). Knows nothing of what
/// is in them.
class ReplicationStream {
 public:
  using Options = std::vector<std::pair<std::string, std::string>>;  // of the plugin

  /// Opens a connection of its own and starts at `start`, or where the slot is if that is later. Throws what
  /// Connection does; ServerError if the slot or the plugin refuses.
  ReplicationStream(const ConnectionSettings& server, const std::string& database, const std::string& slot,
                    Lsn start, const Options& options);

  enum class Event { message, keepalive, nothing };
  /// Waits for the next event, at most `patience`. Keepalives that want an answer get it. Throws
  /// TransientError, ServerError, Interrupted.
  Event next(std::chrono::milliseconds patience);

  /// The last message: its place in the log, as the plugin gave it, and its bytes, good until the next event.
  [[nodiscard]] Lsn lsn() const { return lsn_; }
  [[nodiscard]] std::string_view payload() const { return payload_; }
  /// Frees the payload, which is not needed any more. For large ones: others are freed by next().
  void free_payload() {
    message_.reset();
    payload_ = {};
  }
  /// The last keepalive: the server has sent what was committed up to here.
  [[nodiscard]] Lsn sent_up_to() const { return sent_up_to_; }

  /// Bytes that libpq keeps allocated, about: as many as the largest message had.
  [[nodiscard]] std::size_t retained_memory() const { return connection_.retained_memory(); }

  /// What the slot has already: some servers would move it back to a lower position.
  void set_confirmed(Lsn confirmed) { confirmed_ = confirmed; }
  /// What the server is told from now on, at once if `flushed` has moved. A position below the confirmed one
  /// is not sent.
  void set_flushed(Lsn flushed);
  /// Asks for a keepalive, which tells how far the server is.
  void ask();
  /// Tells the server that we are alive, if it is time to. To be called while something else keeps us from
  /// next(); never throws: next() will find out.
  void stay_alive() noexcept;
  /// Ends the stream in good order, so that the slot is free when this returns; gives up on a server that is
  /// too busy to listen.
  void finish() noexcept;

 private:
  using Clock = std::chrono::steady_clock;

  bool receive(std::chrono::milliseconds patience);
  void mind_silence();
  bool send_status(bool ask_for_keepalive) noexcept;
  [[noreturn]] void fail();

  Connection connection_;
  std::unique_ptr<char, void (*)(char*)> message_;
  std::string_view payload_;
  std::size_t size_ = 0;
  Lsn lsn_;
  Lsn sent_up_to_;
  Lsn confirmed_;
  Progress progress_;
  Clock::time_point last_status_;
  bool heard_ = true;               ///< since the last look at the clock
  Clock::time_point silent_since_;  ///< if nothing was heard
  bool asked_ = false;              ///< since then
  std::chrono::milliseconds status_every_{};
};

}  // namespace tap::pg
