// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include <libssh/libssh.h>

#include <tap/ssh/tunnel.hpp>

#include "keys.hpp"

namespace tap::pg {

/// A connection to an SSH server that has shown the right host key and let us in. libssh's sessions are not
/// safe to be used by two threads at once.
class SshSession {
 public:
  /// Connects, checks the host key, logs in. Throws as Tunnel::enter() does.
  SshSession(const TunnelOptions& options, std::chrono::seconds timeout);

  [[nodiscard]] ssh_session get() const { return session_.get(); }

 private:
  using Clock = std::chrono::steady_clock;

  void configure(const std::string& host_key_algorithms) const;
  /// Returns what is wrong with the server's host key; empty: nothing.
  std::string connect(const std::string& host_key_algorithms);
  void log_in();
  bool log_in_by_key();
  bool log_in_by_agent();
  bool log_in_by_password();
  bool answer_questions();

  /// Calls `step` until it returns something else than `again`; waits for the server in between.
  template <class Step>
  int finish(int again, Step step);
  /// What an attempt to log in came to: true if we are in. Throws if the connection is lost.
  bool is_in(int outcome);

  [[noreturn]] void refuse(const std::string& why) const;
  [[noreturn]] void lost(const std::string& why) const;

  const TunnelOptions& options_;
  std::string user_;
  std::chrono::seconds timeout_;
  std::optional<Clock::time_point> deadline_;
  SshKey key_;  ///< to log in with; may be null
  std::unique_ptr<ssh_session_struct, void (*)(ssh_session)> session_;
};

}  // namespace tap::pg
