// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <libssh/callbacks.h>
#include <libssh/libssh.h>

#include <tap/ssh/tunnel.hpp>

#include "socket.hpp"

namespace tap::ssh {

/// One forwarded connection: a local socket, a channel of the SSH session to a remote endpoint, and the bytes
/// in transit between them. Holds at most twice the channel's window, so a slow reader stops the sender. No
/// function blocks. `session` must outlive the channel.
class TunnelChannel {
 public:
  TunnelChannel(ssh_session session, Socket local, Endpoint remote);
  ~TunnelChannel();
  TunnelChannel(const TunnelChannel&) = delete;
  TunnelChannel& operator=(const TunnelChannel&) = delete;

  [[nodiscard]] int socket() const { return local_.number(); }
  /// The events that poll() should wait for at the socket; 0: none.
  [[nodiscard]] short awaited_events() const;
  /// Transfers what is possible now. `events` is what poll() returned for the socket.
  void transfer(short events);

  /// True once neither side will send more.
  [[nodiscard]] bool is_finished() const;
  [[nodiscard]] const Endpoint& remote() const { return remote_; }
  [[nodiscard]] bool is_open() const { return open_; }
  /// Why the SSH server refused to open the channel, if it did.
  [[nodiscard]] const std::optional<Tunnel::Failure>& failure() const { return failure_; }

 private:
  static int on_data(ssh_session session, ssh_channel channel, void* data, std::uint32_t size, int is_error,
                     void* self);

  void open();
  void receive_from_local();
  void send_to_channel();
  void send_to_local();
  /// Returns how many bytes the local socket took. Bytes that it can no longer take count as taken.
  std::size_t write_to_local(const char* data, std::size_t size);

  Socket local_;
  Endpoint remote_;
  ssh_channel channel_;
  ssh_channel_callbacks_struct callbacks_{};
  bool open_ = false;
  std::optional<Tunnel::Failure> failure_;
  bool broken_ = false;  ///< the local socket or the channel has failed

  std::vector<char> to_channel_;  ///< read from the local socket, not yet accepted by libssh
  bool local_eof_ = false;        ///< the local end sends no more
  bool eof_sent_ = false;         ///< the remote end has been told so

  std::vector<char> to_local_;    ///< read from the channel; what follows sent_ is not written yet
  std::size_t sent_ = 0;          ///< bytes of to_local_ that are written
  std::size_t in_channel_ = 0;    ///< bytes that on_data() left with libssh
  bool local_full_ = false;       ///< the local socket accepts no more for now
  bool local_shut_down_ = false;  ///< the local end has been told that the remote end sends no more
};

}  // namespace tap::ssh
