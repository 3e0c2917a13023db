// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <libssh/libssh.h>

#include <tap/ssh/tunnel.hpp>

namespace tap::ssh {

using SshKey = std::unique_ptr<ssh_key_struct, void (*)(ssh_key)>;

/// The key to log in with. Throws TunnelError, whose text has nothing of the key's.
SshKey read_private_key(const TunnelOptions& options);

/// Lists of host key algorithms as libssh takes them ("": any), to be tried in turn: a server presents only
/// one of its keys, and `host_key` may be another one. Throws Error (ExitCode::usage) for a malformed
/// `host_key`.
std::vector<std::string> host_key_algorithms(const TunnelOptions& options);

/// Compares the key that the server presents with the options. Returns what is wrong and what to do; empty
/// for the right key.
std::string check_host_key(const TunnelOptions& options, ssh_session session);

}  // namespace tap::ssh
