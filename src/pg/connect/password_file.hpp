// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <tap/pg/connection_settings.hpp>

namespace tap::pg {

/// Returns settings without a password file that libpq would ignore because it is not a regular file or other
/// users have access to it: libpq would print a warning to stderr. Logs the warning instead, once, unless
/// `warns` is false.
ConnectionSettings without_unsafe_password_file(ConnectionSettings server, bool warns = true);

}  // namespace tap::pg
