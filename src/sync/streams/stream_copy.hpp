// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include <tap/config/config.hpp>
#include <tap/singer/writer.hpp>
#include <tap/sync/plan.hpp>
#include <tap/sync/report.hpp>

#include "sync/copy/table_transactions.hpp"
#include "sync/retrying_connection.hpp"
#include "sync/state_writer.hpp"
#include "sync/wal/replication.hpp"

namespace tap::sync {

/// Copies one stream by its replication method, with retries, and fills `report`. Returns the error if only
/// this stream fails; it has been logged. Throws what ends the run: Error, Interrupted, and
/// singer::OutputError, after which nothing more may be written.
std::optional<std::string> copy_stream(RetryingConnection& database, const StreamPlan& stream,
                                       const config::Config& config, TableTransactions& transactions,
                                       WalReplication& logs, StateWriter& states, singer::Writer& writer,
                                       StreamReport& report);

}  // namespace tap::sync
