// SPDX-License-Identifier: Apache-2.0
#include "connection_watchdog.hpp"

#include <chrono>
#include <utility>

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <tap/pg/connection.hpp>

namespace tap::pg {

namespace {

using std::chrono::seconds;

constexpr seconds kOnTheWay{2};

/// How many bytes have come so far; nothing for a socket that is not TCP.
std::optional<std::uint64_t> received(int socket) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) {
    return std::nullopt;
  }
  return info.tcpi_bytes_received;
}

}  // namespace

ConnectionWatchdog::ConnectionWatchdog(const ConnectionSettings& server, const std::string& database,
                                       Endpoint place, int socket, Connection::SessionId session)
    : server_(server),
      database_(database),
      place_(std::move(place)),
      socket_(socket),
      session_(std::move(session)) {
  if (server_.silence.count() > 0 && received(socket_)) {
    thread_ = std::thread([this] { watch(); });
  }
}

ConnectionWatchdog::~ConnectionWatchdog() {
  end();
}

std::optional<std::string> ConnectionWatchdog::end() {
  if (thread_.joinable()) {
    {
      const std::lock_guard lock(mutex_);
      end_ = true;
    }
    ended_.notify_one();
    thread_.join();
  }
  return why_dead_;
}

void ConnectionWatchdog::watch() {
  const auto ends_within = [this](seconds time) {
    std::unique_lock lock(mutex_);
    return ended_.wait_for(lock, time, [this] { return end_; });
  };
  auto before = received(socket_);
  while (!ends_within(server_.silence)) {
    const auto now = received(socket_);
    if (now != before) {
      before = now;
      continue;
    }
    const auto has_input = [&] { return ends_within(kOnTheWay) || received(socket_) != before; };
    try {
      why_dead_ =
          Connection::diagnose_stall(server_, database_, place_, session_, server_.silence, has_input);
    } catch (const std::exception&) {  // a signal stops the owner as well; nothing may leave a thread
      return;
    }
    if (why_dead_) {
      shutdown(socket_, SHUT_RDWR);
      return;
    }
  }
}

}  // namespace tap::pg
