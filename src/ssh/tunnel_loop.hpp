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

namespace tap::pg {

/// An open tunnel: the session, the thread that alone uses it, and what is shared with who enters.
class Tunnel::TunnelLoop {
 public:
  TunnelLoop(SshSession session, std::string server, std::chrono::seconds keepalive);
  ~TunnelLoop();
  TunnelLoop(const TunnelLoop&) = delete;
  TunnelLoop& operator=(const TunnelLoop&) = delete;

  /// As Tunnel::enter(); nothing if the tunnel has broken meanwhile.
  std::optional<std::uint16_t> port_for(const Endpoint& place);
  [[nodiscard]] std::optional<Endpoint> behind(std::uint16_t port) const;
  [[nodiscard]] std::optional<Fault> fault(const Endpoint& place) const;

 private:
  using Clock = std::chrono::steady_clock;

  struct Entrance {
    Socket listener;
    std::uint16_t port = 0;
    std::optional<Fault> fault;
  };

  void wake() const;

  // From here on the thread's.
  void run() noexcept;
  /// Nobody enters any more; `why`, if it is not by our will.
  void close_entrances(std::optional<Fault> why);
  /// Waits until there is something to do, and does it.
  void turn(std::optional<Clock::time_point> deadline);
  /// Has libssh read and write what there is. What it has for a channel goes to TunnelChannel::on_data().
  void use_session();
  void note_outcome(const TunnelChannel& channel);
  void accept_all();
  [[nodiscard]] Clock::time_point next_keepalive() const;
  void keep_alive();

  SshSession session_;
  std::string server_;
  std::chrono::seconds keepalive_;
  std::unique_ptr<ssh_event_struct, void (*)(ssh_event)> event_;
  Socket wake_;
  ssh_counter_struct traffic_{};
  std::list<TunnelChannel> channels_;
  std::vector<pollfd> polled_;
  Clock::time_point heard_ = Clock::now();
  std::uint64_t heard_bytes_ = 0;
  bool asked_ = false;

  std::atomic<bool> stopping_ = false;
  mutable std::mutex mutex_;  // for what follows
  bool open_ = true;
  std::map<Endpoint, Entrance> entrances_;
  std::optional<Fault> end_;

  std::thread thread_;
};

}  // namespace tap::pg
