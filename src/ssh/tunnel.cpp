// SPDX-License-Identifier: Apache-2.0
#include <spdlog/fmt/fmt.h>

#include <tap/ssh/tunnel.hpp>

#include "tunnel_loop.hpp"

namespace tap::pg {

std::string Endpoint::text() const {
  return fmt::format("{}:{}", host, port);
}

Tunnel::Tunnel(TunnelOptions options) : options_(std::move(options)) {}

Tunnel::~Tunnel() = default;

std::uint16_t Tunnel::enter(const Endpoint& place, std::chrono::seconds timeout) {
  std::optional<std::uint16_t> port;
  while (!loop_ || !(port = loop_->port_for(place))) {
    loop_.reset();
    loop_ = std::make_unique<TunnelLoop>(SshSession(options_, timeout), description(), options_.keepalive);
  }
  return *port;
}

std::optional<Endpoint> Tunnel::behind(std::uint16_t port) const {
  return loop_ ? loop_->behind(port) : std::nullopt;
}

std::optional<Tunnel::Fault> Tunnel::fault(const Endpoint& place) const {
  return loop_ ? loop_->fault(place) : std::nullopt;
}

std::string Tunnel::description() const {
  return fmt::format("{}:{}", options_.host, options_.port);
}

}  // namespace tap::pg
