// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include <tap/change/change.hpp>

namespace tap::change {

/// Decodes the messages of one output plugin (manual: Logical Decoding Output Plugins). Give it every
/// message, in the order in which the server sends them.
class Decoder {
 public:
  using Sink = std::function<void(const Change&)>;

  virtual ~Decoder() = default;

  /// Calls `sink` with each change in `message`. `lsn` is the message's WAL position, for errors. Throws
  /// Error (ExitCode::run_failed) if the message is not in the plugin's format: no change is skipped.
  /// `message` must stay valid during the call, or until the action of when_copied().
  virtual void decode(std::string_view message, Lsn lsn, const Sink& sink) = 0;
  /// Sets an action that decode() calls once it has copied a message of more than 1 MiB, before it calls the
  /// sink: the caller may free the message there.
  void when_copied(std::function<void()> action) { when_copied_ = std::move(action); }
  /// Forgets a transaction that was begun. Call it when the stream restarts at another position.
  virtual void restart() {}

 protected:
  std::function<void()> when_copied_;
};

/// Creates a decoder of wal2json's format 2 (one message per change) with the options `include-lsn`,
/// `include-timestamp` and without `include-types`; see README.md of wal2json. `server_encoding` is the
/// database's encoding, which the messages have: "UTF8", "LATIN1". Throws Error
/// (ExitCode::log_based_unprepared) if it is unknown.
std::unique_ptr<Decoder> make_wal2json_v2_decoder(std::string_view server_encoding);
/// The same for format 1, with or without `write-in-chunks` (one message per change or per transaction).
std::unique_ptr<Decoder> make_wal2json_v1_decoder(std::string_view server_encoding);

/// Creates a decoder of pgoutput's protocol version 1, with or without the options `binary` and `messages`
/// (manual: Logical Replication Message Formats). The server converts its text to client_encoding. The views
/// of a change point into the message, which is not copied: it must stay valid during decode(), and the
/// action of when_copied() is never called.
std::unique_ptr<Decoder> make_pgoutput_decoder();

}  // namespace tap::change
