// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <tap/config/config.hpp>
#include <tap/pg/replication_stream.hpp>
#include <tap/sync/slots/selection.hpp>

#include "output_plugin.hpp"

namespace tap::sync {

/// Starts replication at `start` on a connection of its own, then checks on `lookups`, the connection for
/// lookups, that both lead to the same server and that its WAL and the slot still have all that follows
/// `positions`, which are those of the streams. `tables` is the value of wal2json's add-tables. Options that
/// the server's wal2json does not support are left out by `plugin`.
///
/// Throws Error (log_based_unprepared) with the remedy if the slot cannot be read from there, TransientError
/// if the server changed or a connection broke, ReplicationError if the server fails to decode the first
/// changes.
std::unique_ptr<pg::ReplicationStream> start_replication(const config::Config& config,
                                                         const WalSource& source, pg::Connection& lookups,
                                                         Lsn start, OutputPlugin& plugin,
                                                         const std::string& tables,
                                                         const std::vector<StreamPosition>& positions);

}  // namespace tap::sync
