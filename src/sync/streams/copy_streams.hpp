// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <tap/config/config.hpp>
#include <tap/singer/writer.hpp>
#include <tap/sync/plan.hpp>
#include <tap/sync/report.hpp>

#include "sync/retrying_connection.hpp"
#include "sync/state_writer.hpp"
#include "sync/wal/replication.hpp"

namespace tap::sync {

/// Copies the streams that are not read from WAL, one after another. With several connections (setting
/// `parallel`), streams with large tables come first, and all connections read each of them together; the
/// other streams are then copied side by side. Returns the IDs of the streams that failed. Throws what
/// copy_stream() does.
std::vector<std::string> copy_streams(const std::vector<StreamPlan>& streams, RetryingConnection& database,
                                      const config::Config& config, WalReplication& logs, StateWriter& states,
                                      singer::Writer& writer, RunReport& report);

}  // namespace tap::sync
