// SPDX-License-Identifier: Apache-2.0
#include <spdlog/fmt/fmt.h>

#include <tap/ssh/tunnel.hpp>

#include "tunnel_loop.hpp"

namespace tap::ssh {

Tunnel::Tunnel(TunnelOptions options) : options_(std::move(options)) {}

Tunnel::~Tunnel() = default;

std::uint16_t Tunnel::local_port(const Endpoint& remote, std::chrono::seconds timeout) {
  const std::lock_guard lock(mutex_);
  std::optional<std::uint16_t> port;
  while (!loop_ || !(port = loop_->local_port(remote))) {
    loop_.reset();
    loop_ = std::make_unique<TunnelLoop>(SshSession(options_, timeout), description(), options_.keepalive);
  }
  return *port;
}

std::optional<Endpoint> Tunnel::remote_endpoint(std::uint16_t local_port) const {
  const std::lock_guard lock(mutex_);
  return loop_ ? loop_->remote_endpoint(local_port) : std::nullopt;
}

std::optional<Tunnel::Failure> Tunnel::failure(const Endpoint& remote) const {
  const std::lock_guard lock(mutex_);
  return loop_ ? loop_->failure(remote) : std::nullopt;
}

std::string Tunnel::description() const {
  return fmt::format("{}:{}", options_.host, options_.port);
}

}  // namespace tap::ssh
