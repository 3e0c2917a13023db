// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <libssh/libssh.h>

#include <tap/ssh/tunnel.hpp>

namespace tap::pg {

using SshKey = std::unique_ptr<ssh_key_struct, void (*)(ssh_key)>;

/// The key to log in with. Throws Error, without the key's text in it.
SshKey read_private_key(const TunnelOptions& options);

/// The algorithms by which the server may show a key, as libssh lists them ("": any), to be tried in turn: a
/// server shows one of its keys only, and `host_key` may be another one.
std::vector<std::string> host_key_algorithms(const TunnelOptions& options);

/// What is wrong with the key that the server has shown, and what to do; empty: it is the right one.
std::string problem_of_host_key(const TunnelOptions& options, ssh_session session);

/// A path that may begin with `~/`.
std::string with_home(const std::string& path);

}  // namespace tap::pg
