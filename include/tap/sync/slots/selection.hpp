// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <tap/config/config.hpp>
#include <tap/pg/catalog/slots.hpp>
#include <tap/singer/state.hpp>
#include <tap/sync/plan.hpp>

namespace tap::sync {

// Finding the replication slot of a database, and checking that it can be read. The functions throw Error
// (log_based_unprepared) with the remedy, and what Connection::query() does.

/// The oldest WAL that a stream needs.
struct StreamPosition {
  std::string stream;  ///< tap_stream_id
  Lsn lsn;
};

/// The positions of the streams that have one in the state, which must be the one they were planned with.
std::vector<StreamPosition> positions(const std::vector<const StreamPlan*>& streams, singer::State& state);

/// The names that a database's slot may have, in order of preference: `replication_slot`, else the names that
/// the Python tap with this config uses.
std::vector<std::string> slot_names(const config::Config& config, const std::string& database);

/// The slot to read the database's WAL through; nothing if there is none. Throws if it is lost, or if a slot
/// with one of the names has another plugin or database.
std::optional<pg::Slot> choose_slot(pg::Connection& connection, const config::Config& config,
                                    const std::string& database);

/// The same, created if the config allows it. Throws if there is none.
pg::Slot require_slot(pg::Connection& connection, const config::Config& config, const std::string& database);

/// Throws if the slot cannot deliver the changes after `positions`, or another process reads it for more than
/// 5 s. `end` is the end of the server's WAL.
void require_readable(pg::Connection& connection, const std::string& slot, Lsn end,
                      const std::vector<StreamPosition>& positions);

/// Throws if the slot's confirmed flush LSN is past one of the positions.
void require_not_past(const pg::Slot& slot, const std::vector<StreamPosition>& positions);

/// Throws the Error for a statement on a slot that the server refused; TransientError if the slot is in use.
/// `connection` is queried for details of the slot.
[[noreturn]] void throw_slot_error(pg::Connection& connection, const pg::ServerError& error,
                                   const std::string& slot);

}  // namespace tap::sync
