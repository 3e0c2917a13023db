// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tap/config/config.hpp>
#include <tap/pg/catalog/slots.hpp>
#include <tap/pg/timeline.hpp>
#include <tap/singer/state.hpp>
#include <tap/sync/plan.hpp>

namespace tap::sync {

// Finding the replication slot of a database, and checking that it can be read. The functions throw Error
// (log_based_unprepared) with the remedy, and what Connection::query() does.

/// The oldest WAL that a stream needs.
struct StreamPosition {
  std::string stream;  ///< tap_stream_id
  Lsn lsn;
  bool has_publications = true;  ///< its bookmark has a record, see publication_record.hpp
  std::optional<pg::Timeline> timeline = std::nullopt;  ///< that of `lsn`, if the bookmark has it
};

/// The positions of the streams that have one in the state, which must be the one they were planned with.
std::vector<StreamPosition> positions(const std::vector<const StreamPlan*>& streams, singer::State& state);

/// The names that a database's slot may have, in order of preference: `replication_slot`, else the names that
/// the Python tap with this config uses.
std::vector<std::string> slot_names(const config::Config& config, const std::string& database);

/// The slots with one of these names, or with such a name and `_pgoutput`, that have a plugin the config
/// allows, in order of preference. Throws if `replication_slot` names one that cannot be used.
std::vector<pg::Slot> usable_slots(pg::Connection& connection, const config::Config& config,
                                   const std::string& database);

/// A slot, and what the user should know if there is one of each plugin.
struct SlotChoice {
  std::optional<pg::Slot> slot;
  std::string migration;
};

/// The slot to read the database's WAL through; nothing if there is none. `positions` are those of the
/// streams: if there is a slot of each plugin, the one of pgoutput is read once all of them have reached it,
/// else the one of wal2json. Throws if the slot is lost, or if a slot with one of the names cannot be used.
SlotChoice choose_slot(pg::Connection& connection, const config::Config& config, const std::string& database,
                       const std::vector<StreamPosition>& positions);

/// The chosen slot, created if there is none and the config allows it. Throws if there is none: if there are
/// `positions`, they are lost. Logs which slot replaces which.
pg::Slot require_slot(pg::Connection& connection, const config::Config& config, const std::string& database,
                      const SlotChoice& choice, const std::vector<StreamPosition>& positions);

/// The name of the slot that require_slot() creates: a slot of wal2json that has the preferred name stays.
std::string slot_to_create(pg::Connection& connection, const config::Config& config,
                           const std::string& database);

/// Throws if the server would refuse to create the slot: the name is taken, or all slots are in use. To be
/// called before publications are created for it.
void require_room_for_slot(pg::Connection& connection, const std::string& name, std::string_view plugin);

/// Throws if the slot, as found a moment ago, cannot deliver the changes after `positions`, or if another
/// process reads it for 5 s more. `end` is the end of the server's WAL.
void require_readable(pg::Connection& connection, const config::Config& config, pg::Slot slot, Lsn end,
                      const std::vector<StreamPosition>& positions);

/// Throws if the slot's confirmed flush LSN is past one of the positions.
void require_not_past(const pg::Slot& slot, const std::vector<StreamPosition>& positions);

}  // namespace tap::sync
