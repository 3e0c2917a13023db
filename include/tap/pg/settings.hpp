// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <tap/pg/server.hpp>

namespace tap::pg {

/// The SQL that pins every setting on which the text of a value, or the reading of a table, depends. One
/// table for every connection, whatever the server, database or role has set. In a transaction, `local` keeps
/// them to it, which also holds behind a pooler that gives each transaction another session.
std::string pin_settings(const Timeouts& timeouts, bool local);

}  // namespace tap::pg
