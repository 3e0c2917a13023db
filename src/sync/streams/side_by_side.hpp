// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <tap/config/config.hpp>
#include <tap/singer/writer.hpp>
#include <tap/sync/report.hpp>

#include "stream_queue.hpp"
#include "sync/retrying_connection.hpp"
#include "sync/state_writer.hpp"
#include "sync/wal/replication.hpp"

namespace tap::sync {

/// Copies whole streams at the same time: each connection has a thread, which copies one stream after another
/// and encodes its rows, with a state that has only the bookmark of its stream. The calling thread writes:
/// lines of different streams alternate, and each bookmark is added to the run's state once the lines that it
/// covers were written. `note_end` is called there, at the end of each stream, with the reason if it failed.
///
/// Throws what copy_stream() does, after all threads have ended and what they have copied was written.
void copy_side_by_side(
    std::vector<StreamToCopy> streams, const std::vector<RetryingConnection*>& connections,
    const config::Config& config, WalReplication& logs, StateWriter& states, singer::Writer& writer,
    RunReport& report,
    const std::function<void(const StreamPlan&, const std::optional<std::string>& failure)>& note_end);

}  // namespace tap::sync
