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
#include <tap/sync/report.hpp>

namespace tap::sync {

/// Syncs the selected streams: first the copies (see copy_streams()), then WAL, one database after another.
/// `state_file` is the file that `state` came from: it is read again while WAL is read, to acknowledge what
/// the target has stored since. `report` is filled, also if the run fails.
///
/// The error of one stream is logged and does not stop the others. Returns ExitCode::run_failed if there was
/// one, else ExitCode::done. Throws Error for what ends the run, and Interrupted, after a last STATE, on a
/// signal.
ExitCode run(const config::Config& config, const std::vector<singer::Stream>& catalog,
             const FullRefresh& refresh, singer::State state, const std::optional<std::string>& state_file,
             singer::Writer& writer, RunReport& report);

}  // namespace tap::sync
