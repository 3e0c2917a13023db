// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include <tap/config/config.hpp>
#include <tap/pg/catalog/slots.hpp>
#include <tap/pg/connection.hpp>

namespace tap::sync {

// What to do about a replication slot that is missing, lost or in use, with the SQL.

/// The slot to create: a failover slot if the config asks for them and the server can have them. Throws what
/// Connection::query() does.
pg::NewSlot new_slot(pg::Connection& connection, const config::LogSettings& settings, const std::string& name,
                     std::string_view plugin);
/// The slot to create in place of `slot`, which stays a failover slot if it was one.
pg::NewSlot replacement_of(pg::Connection& connection, const config::LogSettings& settings,
                           const pg::Slot& slot);

/// What creates a dropped slot again and restarts its streams.
std::string recreate_advice(const pg::NewSlot& slot);
std::string drop_and_recreate_advice(const pg::NewSlot& slot);
/// The same for a lost slot, and what keeps slots from being lost.
std::string lost_slot_advice(pg::Connection& connection, const config::LogSettings& settings,
                             const pg::Slot& slot);
/// Advice for a slot that the process `pid` reads.
std::string stop_reader_advice(const std::string& pid);

/// Throws the Error for a statement on a slot that the server refused; TransientError if the slot is in use.
/// `connection` is queried for details of the slot.
[[noreturn]] void throw_slot_error(pg::Connection& connection, const config::LogSettings& settings,
                                   const pg::ServerError& error, const std::string& slot,
                                   std::string_view plugin);

}  // namespace tap::sync
