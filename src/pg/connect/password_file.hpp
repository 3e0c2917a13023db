// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <tap/pg/connection_settings.hpp>

namespace tap::pg {

/// The server without a password file that libpq does not use, since it is not a plain one or others can read
/// it: libpq would print so to stderr, past the log. Logs it in its place, once, unless `warns` is false.
ConnectionSettings without_unsafe_password_file(ConnectionSettings server, bool warns = true);

}  // namespace tap::pg
