// SPDX-License-Identifier: Apache-2.0
#include "tunnel_channel.hpp"

#include <algorithm>
#include <cerrno>

#include <poll.h>
#include <spdlog/fmt/fmt.h>
#include <sys/socket.h>

#include <tap/base/text.hpp>

namespace tap::ssh {

namespace {

constexpr std::size_t kPiece = 65536;
constexpr short kReadable = POLLIN | POLLHUP | POLLERR;

bool would_block(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

/// `error` is libssh's, like `Channel opening failure: channel 43 error (2) Connection refused`. The number
/// is the server's reason code (RFC 4254, 5.1), the rest its description.
Tunnel::Failure open_failure(const Endpoint& remote, const std::string& error) {
  constexpr std::string_view mark = " error (";
  const auto at = error.find(mark);
  const auto end = error.find(") ", at);
  const std::string description =
      at == std::string::npos || end == std::string::npos ? error : error.substr(end + 2);
  const bool is_prohibited = error.compare(std::min(at, error.size()), mark.size() + 2, " error (1)") == 0;
  if (is_prohibited) {
    return {fmt::format("the SSH server does not allow forwarding to {} ({}): see AllowTcpForwarding and "
                        "PermitOpen in its sshd_config, and the options of the key",
                        remote.text(), description),
            false};
  }
  return {fmt::format("the SSH server cannot reach {}: {}", remote.text(), description), true};
}

}  // namespace

TunnelChannel::TunnelChannel(ssh_session session, Socket local, Endpoint remote)
    : local_(std::move(local)), remote_(std::move(remote)), channel_(ssh_channel_new(session)) {
  callbacks_.userdata = this;
  callbacks_.channel_data_function = on_data;
  ssh_callbacks_init(&callbacks_);
  ssh_set_channel_callbacks(channel_, &callbacks_);
  open();
}

TunnelChannel::~TunnelChannel() {
  // libssh may keep the channel until the server has closed it.
  ssh_remove_channel_callbacks(channel_, &callbacks_);
  ssh_channel_free(channel_);
}

void TunnelChannel::open() {
  const int outcome = ssh_channel_open_forward(channel_, remote_.host.c_str(), remote_.port, "127.0.0.1", 0);
  open_ = outcome == SSH_OK;
  if (outcome == SSH_ERROR) {
    failure_ = open_failure(remote_, collapse_whitespace(ssh_get_error(ssh_channel_get_session(channel_))));
  }
}

short TunnelChannel::awaited_events() const {
  const bool can_read = open_ && !local_eof_ && to_channel_.empty() && ssh_channel_window_size(channel_) > 0;
  return static_cast<short>((can_read ? POLLIN : 0) | (local_full_ ? POLLOUT : 0));
}

bool TunnelChannel::is_finished() const {
  const bool drained = to_local_.empty() && in_channel_ == 0;
  return broken_ || failure_ || (eof_sent_ && local_shut_down_) ||
         (open_ && drained && ssh_channel_is_closed(channel_) != 0);
}

void TunnelChannel::transfer(short events) {
  if (!open_) {
    open();
  }
  if (!open_ || broken_) {
    return;
  }
  if ((events & kReadable) != 0) {
    receive_from_local();
  }
  send_to_channel();
  if ((events & POLLOUT) != 0) {
    local_full_ = false;
  }
  send_to_local();
}

void TunnelChannel::receive_from_local() {
  if (local_eof_ || !to_channel_.empty()) {
    return;
  }
  to_channel_.resize(std::min<std::size_t>(kPiece, std::max(1U, ssh_channel_window_size(channel_))));
  const auto count = recv(local_.number(), to_channel_.data(), to_channel_.size(), 0);
  local_eof_ = count == 0;
  broken_ = count < 0 && !would_block(errno);
  to_channel_.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
}

void TunnelChannel::send_to_channel() {
  if (!to_channel_.empty()) {
    const int taken =
        ssh_channel_write(channel_, to_channel_.data(), static_cast<std::uint32_t>(to_channel_.size()));
    broken_ = broken_ || taken < 0;
    to_channel_.erase(to_channel_.begin(), to_channel_.begin() + std::max(taken, 0));
  }
  if (local_eof_ && to_channel_.empty() && !eof_sent_) {
    ssh_channel_send_eof(channel_);
    eof_sent_ = true;
  }
}

/// Called by libssh with the decrypted data of the channel, including what was left before. Returns the
/// number of bytes taken; libssh does not open the window while too many are left.
int TunnelChannel::on_data(ssh_session /*session*/, ssh_channel /*channel*/, void* data, std::uint32_t size,
                           int is_error, void* self) {
  if (is_error != 0) {
    return static_cast<int>(size);
  }
  auto& to = *static_cast<TunnelChannel*>(self);
  const std::size_t taken =
      to.to_local_.empty() ? to.write_to_local(static_cast<const char*>(data), size) : 0;
  to.in_channel_ = size - taken;
  return static_cast<int>(taken);
}

void TunnelChannel::send_to_local() {
  while (!local_full_ && !broken_ && (!to_local_.empty() || in_channel_ > 0)) {
    if (to_local_.empty()) {
      // All of it at once: libssh 0.10 opens the window after each read, however much it still holds.
      to_local_.resize(in_channel_);
      const int count = ssh_channel_read_nonblocking(channel_, to_local_.data(),
                                                     static_cast<std::uint32_t>(to_local_.size()), 0);
      to_local_.resize(static_cast<std::size_t>(std::max(count, 0)));
      in_channel_ = 0;
    }
    sent_ += write_to_local(to_local_.data() + sent_, to_local_.size() - sent_);
    if (sent_ == to_local_.size()) {
      to_local_.clear();
      sent_ = 0;
    }
  }
  if (!local_shut_down_ && to_local_.empty() && in_channel_ == 0 && ssh_channel_is_eof(channel_) != 0) {
    shutdown(local_.number(), SHUT_WR);
    local_shut_down_ = true;
  }
}

std::size_t TunnelChannel::write_to_local(const char* data, std::size_t size) {
  if (local_full_) {
    return 0;
  }
  const auto sent = broken_ ? -1 : ::send(local_.number(), data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0 && (broken_ || !would_block(errno))) {
    broken_ = true;
    return size;
  }
  local_full_ = sent < static_cast<ssize_t>(size);
  return static_cast<std::size_t>(std::max<ssize_t>(sent, 0));
}

}  // namespace tap::ssh
