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

/// The logical-decoding plugin whose slots are ours.
constexpr const char* kPlugin = "wal2json";

/// A stream and where its log goes on.
struct StreamPosition {
  std::string stream;
  Lsn lsn;
};

/// Where the log of these streams goes on: of those that the state, for which they were planned, knows.
std::vector<StreamPosition> positions(const std::vector<const StreamPlan*>& streams, singer::State& state);

/// The names under which a database's slot is looked for, first choice first: `replication_slot`, else those
/// of the Python tap whose config it is.
std::vector<std::string> slot_names(const config::Config& config, const std::string& database);

/// Throws Error (log_based_unprepared) if servers of this version cannot be followed.
void require_log_based_version(pg::ServerVersion version);

/// Throws Error (log_based_unprepared) with the remedy if the server does not keep a log that can be decoded.
void require_logical_log(const pg::DecodingStatus& status);

/// For each new connection of a run that reads WAL: after a failover it can lead to a standby, which may be
/// older than the changes. Throws TransientError if it does.
void require_primary(pg::Connection& connection);

/// Throws Error (log_based_unprepared) with the remedy if the role may not read the log.
void require_right_to_replicate(const pg::DecodingStatus& status, const config::Config& config,
                                const std::string& database);

/// The slot that the database's log is read through; nothing if there is none. Throws Error
/// (log_based_unprepared) with the remedy if it is lost, or has a name of ours but is not one of ours.
std::optional<pg::Slot> choose_slot(pg::Connection& connection, const config::Config& config,
                                    const std::string& database);

/// The same, made if the config says so. Throws Error (log_based_unprepared) with the remedy if there is
/// none.
pg::Slot require_slot(pg::Connection& connection, const config::Config& config, const std::string& database);

/// Throws Error (log_based_unprepared) with the remedy if the slot cannot deliver what comes after
/// `positions`, or somebody else reads it. One that has just stopped is waited for. `end` is the log's.
void require_readable(pg::Connection& connection, const std::string& slot, Lsn end,
                      const std::vector<StreamPosition>& positions);

/// Throws Error (log_based_unprepared) with the remedy if the slot has moved on past one of the positions.
void require_not_past(const pg::Slot& slot, const std::vector<StreamPosition>& positions);

/// Throws Error (log_based_unprepared) if the server of secondary_host has no place in the primary's log.
void require_standby(const pg::Connection& connection, const pg::DecodingStatus& status);

/// Says that the server does not load the plugin.
Problem plugin_not_allowed(pg::Connection& connection, const std::string& found);

/// A refusal by the server to make or to read a slot, with its remedy. `connection` is asked for it.
[[noreturn]] void refuse_slot(pg::Connection& connection, const pg::ServerError& error,
                              const std::string& slot);

}  // namespace tap::sync
