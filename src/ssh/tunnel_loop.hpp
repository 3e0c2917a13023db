// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include <libssh/libssh.h>
#include <poll.h>

#include <tap/ssh/tunnel.hpp>

#include "session.hpp"
#include "socket.hpp"
#include "tunnel_channel.hpp"

namespace tap::ssh {

/// An open tunnel: the SSH session, the thread that forwards (the only one to use the session), and the state
/// that it shares with the thread of Tunnel.
class Tunnel::TunnelLoop {
 public:
  TunnelLoop(SshSession session, std::string server, std::chrono::seconds keepalive);
  ~TunnelLoop();
  TunnelLoop(const TunnelLoop&) = delete;
  TunnelLoop& operator=(const TunnelLoop&) = delete;

  /// As of Tunnel; nothing if the tunnel has broken.
  std::optional<std::uint16_t> local_port(const Endpoint& remote);
  /// As of Tunnel.
  [[nodiscard]] std::optional<Endpoint> remote_endpoint(std::uint16_t local_port) const;
  [[nodiscard]] std::optional<Failure> failure(const Endpoint& remote) const;

 private:
  using Clock = std::chrono::steady_clock;

  /// A local port.
  struct Forward {
    Socket listener;
    std::uint16_t port = 0;
    std::optional<Failure> failure;  ///< of the last connection
  };

  void wake() const;

  // The following functions run on thread_.
  void run() noexcept;
  /// Accepts no more connections. `why` is the failure that ended the tunnel, if one did.
  void close_listeners(std::optional<Failure> why);
  /// Waits for events, at most until `deadline`, and handles them.
  void handle_events(std::optional<Clock::time_point> deadline);
  /// Lets libssh read and write what is ready. Data of channels goes to TunnelChannel::on_data().
  void process_session();
  void note_outcome(const TunnelChannel& channel);
  void accept_connections();
  [[nodiscard]] Clock::time_point next_keepalive() const;
  void keep_alive();

  SshSession session_;
  std::string server_;
  std::chrono::seconds keepalive_;
  std::unique_ptr<ssh_event_struct, void (*)(ssh_event)> event_;
  Socket wake_up_;  ///< an eventfd
  ssh_counter_struct traffic_{};
  std::list<TunnelChannel> channels_;
  std::vector<pollfd> polled_;
  Clock::time_point last_received_ = Clock::now();
  std::uint64_t received_bytes_ = 0;
  bool probed_ = false;  ///< a keepalive is unanswered

  std::atomic<bool> stopping_ = false;
  mutable std::mutex mutex_;  ///< guards the members up to thread_
  bool open_ = true;
  std::map<Endpoint, Forward> forwards_;  ///< by remote endpoint
  std::optional<Failure> end_;

  std::thread thread_;
};

}  // namespace tap::ssh
