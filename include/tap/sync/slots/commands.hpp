// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include <tap/base/error.hpp>
#include <tap/config/config.hpp>
#include <tap/pg/catalog/slots.hpp>
#include <tap/singer/state.hpp>

namespace tap::sync {

/// One line about a slot: plugin, database, reader, positions, and the WAL that it keeps.
std::string describe_slot(const pg::Slot& slot);
/// The warning about a slot that is lost or keeps too much WAL; nothing for other slots.
std::optional<Problem> slot_warning(const pg::Slot& slot);

/// A `tap-postgres slot` command.
enum class SlotAction { status, create, drop, acknowledge };

/// The files that a `tap-postgres slot` command reads.
struct SlotFiles {
  std::optional<std::string> catalog;  ///< create: the streams whose tables are published
  std::optional<std::string> state;    ///< required by `acknowledge`; create: which streams have a position
};

/// Runs a `tap-postgres slot` command on the slot of the config's database; `status` writes to stdout. Throws
/// Error.
void run_slot_command(SlotAction action, const config::Config& config, const SlotFiles& files);

// The commands of `tap-postgres slot`, on the slot of the config's database. They throw Error
// (log_based_unprepared) with the remedy if there is no such slot or the server refuses the command, and what
// connecting throws.

/// Describes the logical slots of the cluster, one per line. Logs their warnings.
std::string slot_status(const config::Config& config);
/// Creates the slot unless it exists, for pgoutput unless the config says wal2json. A slot for pgoutput needs
/// publications: they are created first for the log-based streams of `files.catalog`; without a catalog they
/// must exist. Next to a slot of another plugin with the same name creates `<name>_pgoutput`.
void create_slot(const config::Config& config, const SlotFiles& files);
/// Throws Error (ExitCode::usage) if there is a slot of each plugin, and the config names none.
void drop_slot(const config::Config& config);
/// Advances the slot to the oldest position of the state's log-based streams
/// of this database; never moves it backward. Throws Error (ExitCode::usage) if the state has no such stream.
void acknowledge(const config::Config& config, const singer::State& state);

}  // namespace tap::sync
