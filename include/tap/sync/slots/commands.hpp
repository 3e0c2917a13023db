// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include <tap/base/error.hpp>
#include <tap/config/config.hpp>
#include <tap/pg/catalog/slots.hpp>
#include <tap/singer/state.hpp>

namespace tap::sync {

/// A slot for people: plugin, database, who reads it, what it keeps.
std::string describe(const pg::Slot& slot);
/// What is to be feared of a slot that keeps much log, if anything.
std::optional<Problem> danger_of(const pg::Slot& slot);

// The commands of `tap-postgres slot`, on the slot of the config's database. They throw Error:
// log_based_unprepared with the remedy if the slot is not there, or not to be had.

/// The logical slots of the cluster, a line each, for people; warns of those that keep much log.
std::string slot_status(const config::Config& config);
void create_slot(const config::Config& config);
void drop_slot(const config::Config& config);
/// Moves the slot to the least position of the state's log-based streams of this database.
void acknowledge(const config::Config& config, const singer::State& state);

}  // namespace tap::sync
