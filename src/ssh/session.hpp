// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include <libssh/libssh.h>

#include <tap/ssh/tunnel.hpp>

#include "keys.hpp"

namespace tap::ssh {

/// A session on an SSH server, logged in, its host key checked. To be used by one thread at a time, as libssh
/// demands.
class SshSession {
 public:
  /// Connects, checks the host key and logs in, within `timeout` (0: no limit). `options` must outlive the
  /// constructor. Throws as Tunnel::local_port() does.
  SshSession(const TunnelOptions& options, std::chrono::seconds timeout);

  [[nodiscard]] ssh_session get() const { return session_.get(); }

 private:
  using Clock = std::chrono::steady_clock;

  void configure(const std::string& host_key_algorithms) const;
  /// Returns what is wrong with the server's host key; empty if nothing is.
  std::string connect(const std::string& host_key_algorithms);
  void log_in();
  bool log_in_by_key();
  bool log_in_by_agent();
  bool log_in_by_password();
  bool answer_questions();

  /// Calls `step` until it returns something other than `again`; waits for the server in between.
  template <class Step>
  int poll(int again, Step step);
  /// True if the outcome of ssh_userauth_*() is success. Throws if the connection is lost.
  [[nodiscard]] bool is_logged_in(int outcome) const;
  /// The time left until the deadline; negative if there is none. Throws if it has passed.
  [[nodiscard]] std::chrono::milliseconds time_left() const;

  [[noreturn]] void throw_no_answer() const;
  [[noreturn]] void throw_tunnel_error(const std::string& why, bool is_transient) const;

  const TunnelOptions& options_;
  std::string user_;
  std::chrono::seconds timeout_;
  std::optional<Clock::time_point> deadline_;
  SshKey key_;  ///< to log in with; may be null
  std::unique_ptr<ssh_session_struct, void (*)(ssh_session)> session_;
};

}  // namespace tap::ssh
