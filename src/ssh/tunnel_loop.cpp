// SPDX-License-Identifier: Apache-2.0
#include "tunnel_loop.hpp"

#include <algorithm>
#include <csignal>
#include <stdexcept>

#include <libssh/server.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <spdlog/fmt/fmt.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <tap/base/error.hpp>
#include <tap/base/text.hpp>

namespace tap::pg {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFarewell{300};
constexpr int kMissedKeepalives = 3;
constexpr int kReadsInTurn = 64;  // of 4 KiB, which libssh takes at once, until other sockets have their turn

/// A port of 127.0.0.1 that nobody has yet.
Socket listen_somewhere(std::uint16_t& port) {
  Socket listener(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  socklen_t size = sizeof address;
  if (bind(listener.number(), any, size) != 0 || listen(listener.number(), SOMAXCONN) != 0 ||
      getsockname(listener.number(), any, &size) != 0) {
    throw Error(ExitCode::cannot_connect, "cannot open the SSH tunnel: no port of 127.0.0.1 is to be had");
  }
  port = ntohs(address.sin_port);
  return listener;
}

/// Keeps signals from the threads that begin while it lives: they are the main thread's.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_{};
};

}  // namespace

Tunnel::TunnelLoop::TunnelLoop(SshSession session, std::string server, std::chrono::seconds keepalive)
    : session_(std::move(session)),
      server_(std::move(server)),
      keepalive_(keepalive),
      event_(ssh_event_new(), ssh_event_free),
      wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  ssh_event_add_session(event_.get(), session_.get());
  ssh_set_counters(session_.get(), &traffic_, nullptr);
  const SignalsBlocked blocked;
  thread_ = std::thread([this] { run(); });
}

Tunnel::TunnelLoop::~TunnelLoop() {
  stopping_ = true;
  wake();
  thread_.join();
}

std::optional<std::uint16_t> Tunnel::TunnelLoop::port_for(const Endpoint& place) {
  const std::lock_guard lock(mutex_);
  if (!open_) {
    return std::nullopt;
  }
  Entrance& entrance = entrances_[place];
  if (!entrance.listener) {
    entrance.listener = listen_somewhere(entrance.port);
    wake();
  }
  return entrance.port;
}

std::optional<Endpoint> Tunnel::TunnelLoop::behind(std::uint16_t port) const {
  const std::lock_guard lock(mutex_);
  const auto found =
      std::ranges::find_if(entrances_, [&](const auto& each) { return each.second.port == port; });
  return found == entrances_.end() ? std::nullopt : std::optional(found->first);
}

std::optional<Tunnel::Fault> Tunnel::TunnelLoop::fault(const Endpoint& place) const {
  const std::lock_guard lock(mutex_);
  const auto found = entrances_.find(place);
  return end_ ? end_ : found == entrances_.end() ? std::nullopt : found->second.fault;
}

void Tunnel::TunnelLoop::wake() const {
  eventfd_write(wake_.number(), 1);
}

void Tunnel::TunnelLoop::run() noexcept {
  try {
    while (!stopping_) {
      turn(std::nullopt);
    }
    close_entrances(std::nullopt);
    const auto deadline = Clock::now() + kFarewell;
    while (!channels_.empty() && Clock::now() < deadline) {
      turn(deadline);
    }
  } catch (const std::exception& error) {
    close_entrances(Fault{fmt::format("the SSH connection to {} has ended: {}", server_, error.what())});
  }
  channels_.clear();  // who finds a connection closed finds out why
  ssh_event_remove_session(event_.get(), session_.get());
  ssh_disconnect(session_.get());
}

void Tunnel::TunnelLoop::close_entrances(std::optional<Fault> why) {
  const std::lock_guard lock(mutex_);
  open_ = false;
  end_ = std::move(why);
  for (auto& [place, entrance] : entrances_) {
    entrance.listener = Socket();
  }
}

void Tunnel::TunnelLoop::turn(std::optional<Clock::time_point> deadline) {
  const unsigned flags = static_cast<unsigned>(ssh_get_poll_flags(session_.get()));
  const bool writes = (flags & SSH_WRITE_PENDING) != 0;
  polled_.assign({{wake_.number(), POLLIN, 0},
                  {ssh_get_fd(session_.get()), static_cast<short>(POLLIN | (writes ? POLLOUT : 0)), 0}});
  const std::size_t fixed = polled_.size();
  for (const auto& channel : channels_) {
    const short awaited = channel.awaited();
    polled_.push_back({awaited != 0 ? channel.socket() : -1, awaited, 0});
  }
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [place, entrance] : entrances_) {
      polled_.push_back({entrance.listener.number(), POLLIN, 0});
    }
  }
  const auto until = std::min(deadline.value_or(Clock::time_point::max()), next_keepalive());
  const auto left = until == Clock::time_point::max()
                        ? milliseconds(-1)
                        : std::max(milliseconds(0), std::chrono::ceil<milliseconds>(until - Clock::now()));
  poll(polled_.data(), polled_.size(), static_cast<int>(left.count()));

  eventfd_t woken = 0;
  eventfd_read(wake_.number(), &woken);
  use_session();
  auto entry = polled_.begin() + static_cast<std::ptrdiff_t>(fixed);
  for (auto& channel : channels_) {
    channel.move((entry++)->revents);
    note_outcome(channel);
  }
  channels_.remove_if([](const TunnelChannel& each) { return each.is_over(); });
  if (std::any_of(entry, polled_.end(), [](const pollfd& each) { return each.revents != 0; })) {
    accept_all();
  }
  keep_alive();
}

void Tunnel::TunnelLoop::use_session() {
  int outcome = SSH_OK;
  for (int i = 0; i < kReadsInTurn && outcome == SSH_OK; ++i) {
    outcome = ssh_event_dopoll(event_.get(), 0);
  }
  const auto status = static_cast<unsigned>(ssh_get_status(session_.get()));
  if (outcome == SSH_ERROR || (status & (SSH_CLOSED | SSH_CLOSED_ERROR)) != 0) {
    throw std::runtime_error(collapse_whitespace(ssh_get_error(session_.get())));
  }
}

void Tunnel::TunnelLoop::note_outcome(const TunnelChannel& channel) {
  if (channel.is_open() || channel.refusal()) {
    const std::lock_guard lock(mutex_);
    entrances_[channel.place()].fault = channel.refusal();
  }
}

void Tunnel::TunnelLoop::accept_all() {
  const std::lock_guard lock(mutex_);
  for (auto& [place, entrance] : entrances_) {
    while (Socket accepted{
        accept4(entrance.listener.number(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)}) {
      const int on = 1;
      setsockopt(accepted.number(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      channels_.emplace_back(session_.get(), std::move(accepted), place);
    }
  }
}

Tunnel::TunnelLoop::Clock::time_point Tunnel::TunnelLoop::next_keepalive() const {
  return keepalive_.count() == 0 ? Clock::time_point::max()
                                 : heard_ + (asked_ ? kMissedKeepalives * keepalive_ : keepalive_);
}

void Tunnel::TunnelLoop::keep_alive() {
  if (traffic_.in_bytes != heard_bytes_) {
    heard_bytes_ = traffic_.in_bytes;
    heard_ = Clock::now();
    asked_ = false;
  } else if (Clock::now() >= next_keepalive()) {
    if (asked_) {
      throw std::runtime_error(
          fmt::format("no answer in {} seconds", (kMissedKeepalives * keepalive_).count()));
    }
    ssh_send_keepalive(session_.get());  // takes the answer to the last one
    ssh_send_keepalive(session_.get());  // asks, unless the first call has
    asked_ = true;
  }
}

}  // namespace tap::pg
