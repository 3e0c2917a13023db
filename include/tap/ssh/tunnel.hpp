// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include <tap/base/endpoint.hpp>
#include <tap/base/error.hpp>

namespace tap::ssh {

/// How to reach an SSH server and log in there.
struct TunnelOptions {
  std::string host;
  std::uint16_t port = 22;
  std::string username;              ///< empty: the name of the process's user
  std::string private_key;           ///< text of the key or path of its file; empty: the keys of the agent
  std::string private_key_password;  ///< passphrase of an encrypted private_key
  std::string password;              ///< for password and keyboard-interactive logins
  std::string known_hosts;           ///< path of a file; empty: ~/.ssh/known_hosts
  std::string host_key;  ///< fingerprint, public key, or "any" for no check; empty: known_hosts decides
  std::chrono::seconds keepalive{30};  ///< interval at which a silent SSH server is probed; 0: never
};

/// The tunnel cannot be opened.
class TunnelError : public Error {
 public:
  TunnelError(const std::string& text, bool is_transient)
      : Error(ExitCode::cannot_connect, text), is_transient_(is_transient) {}

  /// True if another attempt may succeed.
  [[nodiscard]] bool is_transient() const noexcept { return is_transient_; }

 private:
  bool is_transient_;
};

/// Local ports, forwarded by an SSH server to endpoints behind it, as by `ssh -L` but within this process.
/// One tunnel serves all connections of a run. It opens with the first local_port(), and again with the next
/// one after it broke.
///
/// Several threads may use it: while one opens the tunnel, the others wait. Forwarding has a thread of its
/// own. The destructor waits, for less than a second, until the forwarded connections have ended.
class Tunnel {
 public:
  explicit Tunnel(TunnelOptions options);
  ~Tunnel();
  Tunnel(const Tunnel&) = delete;
  Tunnel& operator=(const Tunnel&) = delete;

  /// A port of 127.0.0.1 that leads to `remote` until the tunnel breaks. If the tunnel is not open, opens it
  /// within `timeout` (0: no limit). Throws TunnelError; Error (ExitCode::usage) for wrong options;
  /// Interrupted.
  std::uint16_t local_port(const Endpoint& remote, std::chrono::seconds timeout);

  /// Where a port returned by local_port() leads, or led; nothing for other ports.
  [[nodiscard]] std::optional<Endpoint> remote_endpoint(std::uint16_t local_port) const;

  /// Why the SSH server does not forward.
  struct Failure {
    std::string text;
    bool is_transient = true;
  };
  /// The failure of the tunnel, or of the last connection to `remote`; nothing if there is none.
  [[nodiscard]] std::optional<Failure> failure(const Endpoint& remote) const;

  /// For messages: host and port of the SSH server.
  [[nodiscard]] std::string description() const;

 private:
  class TunnelLoop;

  TunnelOptions options_;
  mutable std::mutex mutex_;  ///< guards `loop_`
  std::unique_ptr<TunnelLoop> loop_;
};

}  // namespace tap::ssh
