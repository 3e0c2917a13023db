// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <libssh/callbacks.h>
#include <libssh/libssh.h>

#include <tap/ssh/tunnel.hpp>

#include "socket.hpp"

namespace tap::pg {

/// One connection through a tunnel: a socket here, a channel to a place behind the SSH server, and what is
/// under way between them, which is no more than the channel's window and as much again: who does not read
/// here stops the sender there. Nothing waits. To be gone before the session is.
class TunnelChannel {
 public:
  TunnelChannel(ssh_session session, Socket local, Endpoint place);
  ~TunnelChannel();
  TunnelChannel(const TunnelChannel&) = delete;
  TunnelChannel& operator=(const TunnelChannel&) = delete;

  [[nodiscard]] int socket() const { return local_.number(); }
  /// What poll() is to wait for at the socket; 0: nothing.
  [[nodiscard]] short awaited() const;
  /// Moves what can be moved, by what poll() has said of the socket.
  void move(short events);

  /// Nothing more will come, from either side.
  [[nodiscard]] bool is_over() const;
  [[nodiscard]] const Endpoint& place() const { return place_; }
  [[nodiscard]] bool is_open() const { return open_; }
  /// Why the SSH server has not opened the channel, if it has not.
  [[nodiscard]] const std::optional<Tunnel::Fault>& refusal() const { return refusal_; }

 private:
  static int on_data(ssh_session session, ssh_channel channel, void* data, std::uint32_t size, int is_error,
                     void* self);

  void open();
  void take_from_local();
  void give_to_channel();
  void give_to_local();
  std::size_t send(const char* data, std::size_t size);

  Socket local_;
  Endpoint place_;
  ssh_channel channel_;
  ssh_channel_callbacks_struct callbacks_{};
  bool open_ = false;
  std::optional<Tunnel::Fault> refusal_;
  bool broken_ = false;  ///< the local end takes or gives nothing any more

  std::vector<char> to_channel_;  ///< read here, not yet taken by libssh
  bool local_ended_ = false;      ///< no more is to be read here
  bool end_told_ = false;         ///< the other side knows that

  std::vector<char> to_local_;  ///< from the channel, not yet written here: from sent_ on
  std::size_t sent_ = 0;
  std::size_t in_channel_ = 0;  ///< bytes that on_data() has left with libssh
  bool full_ = false;           ///< the local socket takes no more for now
  bool shut_ = false;           ///< the local end knows that nothing more will come
};

}  // namespace tap::pg
