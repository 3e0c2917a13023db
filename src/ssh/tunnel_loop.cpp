// SPDX-License-Identifier: Apache-2.0
#include "tunnel_loop.hpp"

#include <algorithm>
#include <stdexcept>

#include <libssh/server.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <spdlog/fmt/fmt.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <tap/base/platform.hpp>
#include <tap/base/signals.hpp>
#include <tap/base/text.hpp>

namespace tap::ssh {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kCloseTimeout{300};
constexpr int kMissedKeepalives = 3;
constexpr int kMostReads = 64;  // of 4 KiB each, before other sockets are served

/// Listens on a free port of 127.0.0.1.
Socket listen_on_free_port(std::uint16_t& port) {
  Socket listener(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof address;
  if (bind(listener.number(), any, size) != 0 || listen(listener.number(), SOMAXCONN) != 0 ||
      getsockname(listener.number(), any, &size) != 0) {
    throw TunnelError("cannot open the SSH tunnel: no free local port", false);
  }
  port = ntohs(address.sin_port);
  return listener;
}

}  // namespace

Tunnel::TunnelLoop::TunnelLoop(SshSession session, std::string server, std::chrono::seconds keepalive)
    : session_(std::move(session)),
      server_(std::move(server)),
      keepalive_(keepalive),
      event_(ssh_event_new(), ssh_event_free),
      wake_up_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  ssh_event_add_session(event_.get(), session_.get());
  ssh_set_counters(session_.get(), &traffic_, nullptr);
  const signals::SignalBlocker blocked;
  thread_ = start_thread([this] { run(); });
}

Tunnel::TunnelLoop::~TunnelLoop() {
  stopping_ = true;
  wake();
  thread_.join();
}

std::optional<std::uint16_t> Tunnel::TunnelLoop::local_port(const Endpoint& remote) {
  const std::lock_guard lock(mutex_);
  if (!open_) {
    return std::nullopt;
  }
  Forward& forward = forwards_[remote];
  if (!forward.listener) {
    forward.listener = listen_on_free_port(forward.port);
    wake();
  }
  return forward.port;
}

std::optional<Endpoint> Tunnel::TunnelLoop::remote_endpoint(std::uint16_t local_port) const {
  const std::lock_guard lock(mutex_);
  const auto found =
      std::ranges::find_if(forwards_, [&](const auto& each) { return each.second.port == local_port; });
  return found == forwards_.end() ? std::nullopt : std::optional(found->first);
}

std::optional<Tunnel::Failure> Tunnel::TunnelLoop::failure(const Endpoint& remote) const {
  const std::lock_guard lock(mutex_);
  const auto found = forwards_.find(remote);
  return end_ ? end_ : found == forwards_.end() ? std::nullopt : found->second.failure;
}

void Tunnel::TunnelLoop::wake() const {
  eventfd_write(wake_up_.number(), 1);
}

void Tunnel::TunnelLoop::run() noexcept {
  try {
    while (!stopping_) {
      handle_events(std::nullopt);
    }
    close_listeners(std::nullopt);
    const auto deadline = Clock::now() + kCloseTimeout;
    while (!channels_.empty() && Clock::now() < deadline) {
      handle_events(deadline);
    }
  } catch (const std::exception& error) {
    close_listeners(Failure{fmt::format("the SSH connection to {} has ended: {}", server_, error.what())});
  }
  channels_.clear();  // after end_ is set: the owner of a closed connection asks for it
  ssh_event_remove_session(event_.get(), session_.get());
  ssh_disconnect(session_.get());
}

void Tunnel::TunnelLoop::close_listeners(std::optional<Failure> why) {
  const std::lock_guard lock(mutex_);
  open_ = false;
  end_ = std::move(why);
  for (auto& [remote, forward] : forwards_) {
    forward.listener = Socket();
  }
}

void Tunnel::TunnelLoop::handle_events(std::optional<Clock::time_point> deadline) {
  const unsigned flags = static_cast<unsigned>(ssh_get_poll_flags(session_.get()));
  const bool writes = (flags & SSH_WRITE_PENDING) != 0;
  polled_.assign({{wake_up_.number(), POLLIN, 0},
                  {ssh_get_fd(session_.get()), static_cast<short>(POLLIN | (writes ? POLLOUT : 0)), 0}});
  const std::size_t fixed = polled_.size();
  for (const auto& channel : channels_) {
    const short awaited = channel.awaited_events();
    polled_.push_back({awaited != 0 ? channel.socket() : -1, awaited, 0});
  }
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [remote, forward] : forwards_) {
      polled_.push_back({forward.listener.number(), POLLIN, 0});
    }
  }
  const auto until = std::min(deadline.value_or(Clock::time_point::max()), next_keepalive());
  const auto left = until == Clock::time_point::max()
                        ? milliseconds(-1)
                        : std::max(milliseconds(0), std::chrono::ceil<milliseconds>(until - Clock::now()));
  poll(polled_.data(), polled_.size(), static_cast<int>(left.count()));

  eventfd_t woken = 0;
  eventfd_read(wake_up_.number(), &woken);
  process_session();
  auto entry = polled_.begin() + static_cast<std::ptrdiff_t>(fixed);
  for (auto& channel : channels_) {
    channel.transfer((entry++)->revents);
    note_outcome(channel);
  }
  channels_.remove_if([](const TunnelChannel& each) { return each.is_finished(); });
  if (std::any_of(entry, polled_.end(), [](const pollfd& each) { return each.revents != 0; })) {
    accept_connections();
  }
  keep_alive();
}

void Tunnel::TunnelLoop::process_session() {
  int outcome = SSH_OK;
  for (int i = 0; i < kMostReads && outcome == SSH_OK; ++i) {
    outcome = ssh_event_dopoll(event_.get(), 0);
  }
  const auto status = static_cast<unsigned>(ssh_get_status(session_.get()));
  if (outcome == SSH_ERROR || (status & (SSH_CLOSED | SSH_CLOSED_ERROR)) != 0) {
    throw std::runtime_error(collapse_whitespace(ssh_get_error(session_.get())));
  }
}

void Tunnel::TunnelLoop::note_outcome(const TunnelChannel& channel) {
  if (channel.is_open() || channel.failure()) {
    const std::lock_guard lock(mutex_);
    forwards_[channel.remote()].failure = channel.failure();
  }
}

void Tunnel::TunnelLoop::accept_connections() {
  const std::lock_guard lock(mutex_);
  for (auto& [remote, forward] : forwards_) {
    while (
        Socket accepted{accept4(forward.listener.number(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)}) {
      const int on = 1;
      setsockopt(accepted.number(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      channels_.emplace_back(session_.get(), std::move(accepted), remote);
    }
  }
}

Tunnel::TunnelLoop::Clock::time_point Tunnel::TunnelLoop::next_keepalive() const {
  return keepalive_.count() == 0 ? Clock::time_point::max()
                                 : last_received_ + (probed_ ? kMissedKeepalives * keepalive_ : keepalive_);
}

void Tunnel::TunnelLoop::keep_alive() {
  if (traffic_.in_bytes != received_bytes_) {
    received_bytes_ = traffic_.in_bytes;
    last_received_ = Clock::now();
    probed_ = false;
  } else if (Clock::now() >= next_keepalive()) {
    if (probed_) {
      throw std::runtime_error(
          fmt::format("no answer in {} seconds", (kMissedKeepalives * keepalive_).count()));
    }
    ssh_send_keepalive(session_.get());  // takes the answer to the last keepalive
    ssh_send_keepalive(session_.get());  // sends one, unless the first call did
    probed_ = true;
  }
}

}  // namespace tap::ssh
