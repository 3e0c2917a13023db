// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <tap/pg/timeline.hpp>
#include <tap/sync/slots/selection.hpp>

namespace tap::sync {

/// Throws Error (log_based_unprepared) if a position is not in the WAL of a server whose current timeline is
/// `now`: its WAL may reach further by now, but is another one. Reads the server's history, if needed, over a
/// connection of its own, and throws what that does. Positions without a timeline are not checked, and a
/// server without the file of its history is only a warning.
void require_in_history(const pg::ConnectionSettings& server, const std::string& database,
                        const pg::Timeline& now, const std::vector<StreamPosition>& positions);

}  // namespace tap::sync
