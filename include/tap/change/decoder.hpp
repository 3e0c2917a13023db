// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include <tap/change/change.hpp>

namespace tap::change {

/// Reads the messages of one logical-decoding plugin, in the order in which the server sends them.
class Decoder {
 public:
  using Sink = std::function<void(const Change&)>;

  virtual ~Decoder() = default;

  /// Hands over the changes that a message holds. `lsn` is the message's place, for errors. Throws Error
  /// (run_failed) that names it if the message is not what the plugin writes: no change is ever skipped.
  virtual void decode(std::string_view message, Lsn lsn, const Sink& sink) = 0;
  /// `action` is called within decode() as soon as the bytes of a large message are no longer needed, before
  /// its changes are handed over: free them then.
  void when_copied(std::function<void()> action) { when_copied_ = std::move(action); }
  /// Forgets a transaction that was begun: the stream starts again elsewhere.
  virtual void restart() {}

 protected:
  std::function<void()> when_copied_;
};

/// wal2json's format 2 with `include-lsn`, `include-timestamp` and without `include-types`: a message for
/// each event. `server_encoding` is the database's, which the plugin's messages come in.
std::unique_ptr<Decoder> wal2json_v2(std::string_view server_encoding);
/// Its format 1 with the same options, in chunks (`write-in-chunks`) or a transaction a message.
std::unique_ptr<Decoder> wal2json_v1(std::string_view server_encoding);

}  // namespace tap::change
