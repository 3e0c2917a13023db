// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <tap/base/error.hpp>
#include <tap/config/config.hpp>
#include <tap/singer/catalog.hpp>
#include <tap/singer/state.hpp>
#include <tap/singer/writer.hpp>
#include <tap/sync/plan.hpp>

namespace tap::sync {

/// Syncs the selected streams: copies one after the other, then the logs, a database at a time. `state_file`
/// is where `state` came from: it is looked at again while a log is read. A stream's own fault is logged and
/// the others go on; the answer is ExitCode::run_failed then, else done. Throws Error for what ends the run,
/// and Interrupted, after a last STATE, when a signal asks for it.
ExitCode run(const config::Config& config, const std::vector<singer::Stream>& catalog,
             const FullRefresh& refresh, singer::State state, const std::optional<std::string>& state_file,
             singer::Writer& writer);

}  // namespace tap::sync
