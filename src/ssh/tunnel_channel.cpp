// SPDX-License-Identifier: Apache-2.0
#include "tunnel_channel.hpp"

#include <algorithm>
#include <cerrno>

#include <poll.h>
#include <spdlog/fmt/fmt.h>
#include <sys/socket.h>

#include <tap/base/text.hpp>

namespace tap::pg {

namespace {

constexpr std::size_t kPiece = 65536;
constexpr short kReadable = POLLIN | POLLHUP | POLLERR;

bool may_come_later(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

/// The server's words are `Channel opening failure: channel 43 error (2) Connection refused` in libssh's;
/// the number is its reason (RFC 4254, 5.1).
Tunnel::Fault refusal_of(const Endpoint& place, const std::string& error) {
  constexpr std::string_view mark = " error (";
  const auto at = error.find(mark);
  const auto end = error.find(") ", at);
  const std::string words =
      at == std::string::npos || end == std::string::npos ? error : error.substr(end + 2);
  const bool prohibited = error.compare(std::min(at, error.size()), mark.size() + 2, " error (1)") == 0;
  if (prohibited) {
    return {fmt::format("the SSH server does not allow forwarding to {} ({}): see AllowTcpForwarding and "
                        "PermitOpen in its sshd_config, and the options of the key",
                        place.text(), words),
            false};
  }
  return {fmt::format("the SSH server cannot reach {}: {}", place.text(), words), true};
}

}  // namespace

TunnelChannel::TunnelChannel(ssh_session session, Socket local, Endpoint place)
    : local_(std::move(local)), place_(std::move(place)), channel_(ssh_channel_new(session)) {
  callbacks_.userdata = this;
  callbacks_.channel_data_function = on_data;
  ssh_callbacks_init(&callbacks_);
  ssh_set_channel_callbacks(channel_, &callbacks_);
  open();
}

TunnelChannel::~TunnelChannel() {
  ssh_remove_channel_callbacks(channel_,
                               &callbacks_);  // libssh may keep the channel until it is closed there
  ssh_channel_free(channel_);
}

void TunnelChannel::open() {
  const int outcome = ssh_channel_open_forward(channel_, place_.host.c_str(), place_.port, "127.0.0.1", 0);
  open_ = outcome == SSH_OK;
  if (outcome == SSH_ERROR) {
    refusal_ = refusal_of(place_, collapse_whitespace(ssh_get_error(ssh_channel_get_session(channel_))));
  }
}

short TunnelChannel::awaited() const {
  const bool takes = open_ && !local_ended_ && to_channel_.empty() && ssh_channel_window_size(channel_) > 0;
  return static_cast<short>((takes ? POLLIN : 0) | (full_ ? POLLOUT : 0));
}

bool TunnelChannel::is_over() const {
  const bool drained = to_local_.empty() && in_channel_ == 0;
  return broken_ || refusal_ || (end_told_ && shut_) ||
         (open_ && drained && ssh_channel_is_closed(channel_) != 0);
}

void TunnelChannel::move(short events) {
  if (!open_) {
    open();
  }
  if (!open_ || broken_) {
    return;
  }
  if ((events & kReadable) != 0) {
    take_from_local();
  }
  give_to_channel();
  if ((events & POLLOUT) != 0) {
    full_ = false;
  }
  give_to_local();
}

void TunnelChannel::take_from_local() {
  if (local_ended_ || !to_channel_.empty()) {
    return;
  }
  to_channel_.resize(std::min<std::size_t>(kPiece, std::max(1U, ssh_channel_window_size(channel_))));
  const auto got = recv(local_.number(), to_channel_.data(), to_channel_.size(), 0);
  local_ended_ = got == 0;
  broken_ = got < 0 && !may_come_later(errno);
  to_channel_.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
}

void TunnelChannel::give_to_channel() {
  if (!to_channel_.empty()) {
    const int taken =
        ssh_channel_write(channel_, to_channel_.data(), static_cast<std::uint32_t>(to_channel_.size()));
    broken_ = broken_ || taken < 0;
    to_channel_.erase(to_channel_.begin(), to_channel_.begin() + std::max(taken, 0));
  }
  if (local_ended_ && to_channel_.empty() && !end_told_) {
    ssh_channel_send_eof(channel_);
    end_told_ = true;
  }
}

/// libssh has decrypted what came for the channel, together with what was left of it before. The number of
/// bytes that are taken here is returned; it does not ask for more while too many are left.
int TunnelChannel::on_data(ssh_session /*session*/, ssh_channel /*channel*/, void* data, std::uint32_t size,
                           int is_error, void* self) {
  if (is_error != 0) {
    return static_cast<int>(size);
  }
  auto& to = *static_cast<TunnelChannel*>(self);
  const std::size_t taken = to.to_local_.empty() ? to.send(static_cast<const char*>(data), size) : 0;
  to.in_channel_ = size - taken;
  return static_cast<int>(taken);
}

void TunnelChannel::give_to_local() {
  while (!full_ && !broken_ && (!to_local_.empty() || in_channel_ > 0)) {
    if (to_local_.empty()) {
      // All of it at once: libssh 0.10 opens the window anew with each read, however much it still has.
      to_local_.resize(in_channel_);
      const int got = ssh_channel_read_nonblocking(channel_, to_local_.data(),
                                                   static_cast<std::uint32_t>(to_local_.size()), 0);
      to_local_.resize(static_cast<std::size_t>(std::max(got, 0)));
      in_channel_ = 0;
    }
    sent_ += send(to_local_.data() + sent_, to_local_.size() - sent_);
    if (sent_ == to_local_.size()) {
      to_local_.clear();
      sent_ = 0;
    }
  }
  if (!shut_ && to_local_.empty() && in_channel_ == 0 && ssh_channel_is_eof(channel_) != 0) {
    shutdown(local_.number(), SHUT_WR);
    shut_ = true;
  }
}

/// How much of it the local socket takes. What it will never take counts as taken.
std::size_t TunnelChannel::send(const char* data, std::size_t size) {
  if (full_) {
    return 0;
  }
  const auto sent = broken_ ? -1 : ::send(local_.number(), data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0 && (broken_ || !may_come_later(errno))) {
    broken_ = true;
    return size;
  }
  full_ = sent < static_cast<ssize_t>(size);
  return static_cast<std::size_t>(std::max<ssize_t>(sent, 0));
}

}  // namespace tap::pg
