// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace tap::pg {

/// How to reach an SSH server and log in there.
struct TunnelOptions {
  std::string host;
  std::uint16_t port = 22;
  std::string username;              ///< empty: the system's name for whom we run as
  std::string private_key;           ///< the key's text, or the path of its file; empty: the agent's keys
  std::string private_key_password;  ///< what the key is encrypted with
  std::string password;              ///< for password and keyboard-interactive logins
  std::string known_hosts;           ///< a file; empty: ~/.ssh/known_hosts
  std::string host_key;  ///< fingerprint, public key, or "any" for no check; empty: known_hosts decides
  std::chrono::seconds keepalive{30};  ///< asks a silent SSH server so often whether it is there; 0: never
};

/// A place to connect to, as the SSH server sees it.
struct Endpoint {
  std::string host;
  std::uint16_t port = 0;

  auto operator<=>(const Endpoint&) const = default;
  [[nodiscard]] std::string text() const;  ///< `db.example.com:5432`
};

/// A way through an SSH server, made by our own process: ports of 127.0.0.1 that lead to places behind it, as
/// `ssh -L` would make them. One for all connections of a run. It is opened when it is first entered, and
/// again by the next who enters after it broke.
///
/// All but the forwarding, which has a thread of its own, is done by the thread that enters: there must be
/// one such thread only. Closing waits until what was forwarded has come to its end, but not for long.
class Tunnel {
 public:
  explicit Tunnel(TunnelOptions options);
  ~Tunnel();
  Tunnel(const Tunnel&) = delete;
  Tunnel& operator=(const Tunnel&) = delete;

  /// A port of 127.0.0.1 that leads to `place` until the tunnel breaks. Opens the tunnel if it is not open,
  /// in at most `timeout` (0: no limit). Throws with ExitCode::cannot_connect: TransientError if a later try
  /// may go well, else Error. Throws Interrupted when a signal asks for it.
  std::uint16_t enter(const Endpoint& place, std::chrono::seconds timeout);

  /// Where a port leads, or led, that enter() has given; nothing for another port.
  [[nodiscard]] std::optional<Endpoint> behind(std::uint16_t port) const;

  /// Why nothing came from `place`, if it is the SSH server's doing: it is gone, or what it said when it was
  /// asked for that place last.
  struct Fault {
    std::string text;
    bool is_transient = true;
  };
  [[nodiscard]] std::optional<Fault> fault(const Endpoint& place) const;

  /// For messages: the SSH server's host and port.
  [[nodiscard]] std::string description() const;

 private:
  class TunnelLoop;

  TunnelOptions options_;
  std::unique_ptr<TunnelLoop> loop_;
};

}  // namespace tap::pg
