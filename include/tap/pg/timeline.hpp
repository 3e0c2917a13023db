// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <tap/pg/connection.hpp>
#include <tap/pgtypes/lsn.hpp>

namespace tap::pg {

/// The WAL that an LSN belongs to. A standby that is promoted, and a server that is restored, begin a new
/// timeline: from there on, their WAL differs from the WAL of the old one (manual: Timelines).
struct Timeline {
  std::string system;  ///< the system identifier; its copies share it
  std::uint32_t id = 0;

  bool operator==(const Timeline&) const = default;
};

/// The notation of a state: `7512345678901234567/2`.
std::string to_text(const Timeline& timeline);
/// Parses that notation. Returns nothing for other text.
std::optional<Timeline> read_timeline(std::string_view text);

/// The server's current timeline. `replication` is a connection for replication. Throws what
/// Connection::query() does.
Timeline current_timeline(Connection& replication);
/// The same, over a connection of its own. Throws as Connection::Connection() does, too.
Timeline current_timeline(const ConnectionSettings& server, const std::string& database);

/// The history file of a timeline of the server: empty for the first one. Throws as current_timeline().
std::string timeline_history(const ConnectionSettings& server, const std::string& database, std::uint32_t id);
/// Where the timeline `id` ends that this history mentions; nothing if it does not mention it.
std::optional<Lsn> end_of_timeline(std::string_view history, std::uint32_t id);

}  // namespace tap::pg
