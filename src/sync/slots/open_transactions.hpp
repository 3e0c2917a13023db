// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <tap/pg/connection.hpp>

namespace tap::sync {

/// Waits up to 1 s for the transactions that are open now. Returns false if one is still open. Works on a
/// standby, too. Throws what Connection::query() does.
bool open_transactions_end_soon(pg::Connection& connection);

/// Waits for all transactions that are open now. pgoutput does not send changes that were made before their
/// table was published, even if their transaction commits later: a copy must contain them, so that it must
/// not begin before, unless a new slot or an exported snapshot has waited already. Works on a standby, too.
void wait_for_open_transactions(pg::Connection& connection);

}  // namespace tap::sync
