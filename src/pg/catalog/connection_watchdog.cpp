// SPDX-License-Identifier: Apache-2.0
#include "connection_watchdog.hpp"

#include <chrono>
#include <utility>

#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <tap/base/platform.hpp>
#include <tap/pg/connection.hpp>

namespace tap::pg {

namespace {

using std::chrono::seconds;

constexpr seconds kInFlightTime{2};

/// Returns how many bytes have arrived so far; nothing if the socket is not TCP.
std::optional<std::uint64_t> received_bytes(int socket) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) {
    return std::nullopt;
  }
  return info.tcpi_bytes_received;
}

}  // namespace

ConnectionWatchdog::ConnectionWatchdog(const ConnectionSettings& server, const std::string& database,
                                       Endpoint endpoint, int socket, Connection::SessionId session)
    : server_(server),
      database_(database),
      endpoint_(std::move(endpoint)),
      socket_(socket),
      session_(std::move(session)) {
  if (server_.silence.count() > 0 && received_bytes(socket_)) {
    thread_ = start_thread([this] { watch(); });
  }
}

ConnectionWatchdog::~ConnectionWatchdog() {
  stop();
}

std::optional<std::string> ConnectionWatchdog::stop() {
  if (thread_.joinable()) {
    {
      const std::lock_guard lock(mutex_);
      is_stopping_ = true;
    }
    stopped_.notify_one();
    thread_.join();
  }
  return stall_;
}

void ConnectionWatchdog::watch() {
  const auto stops_within = [this](seconds time) {
    std::unique_lock lock(mutex_);
    return stopped_.wait_for(lock, time, [this] { return is_stopping_; });
  };
  auto before = received_bytes(socket_);
  while (!stops_within(server_.silence)) {
    const auto now = received_bytes(socket_);
    if (now != before) {
      before = now;
      continue;
    }
    const auto has_input = [&] { return stops_within(kInFlightTime) || received_bytes(socket_) != before; };
    try {
      stall_ =
          Connection::diagnose_stall(server_, database_, endpoint_, session_, server_.silence, has_input);
    } catch (const std::exception&) {  // a signal stops the owner, too; a thread must not throw
      return;
    }
    if (stall_) {
      shutdown(socket_, SHUT_RDWR);
      return;
    }
  }
}

}  // namespace tap::pg
