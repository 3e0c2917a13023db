// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include <tap/base/error.hpp>
#include <tap/config/config.hpp>
#include <tap/singer/catalog.hpp>
#include <tap/singer/state.hpp>
#include <tap/singer/writer.hpp>
#include <tap/sync/plan.hpp>

namespace tap::sync {

/// Syncs the selected streams one after the other. A stream's own fault is logged and the others go on; the
/// answer is ExitCode::run_failed then, else done. Throws Error for what ends the run, and
/// Stopped, after a last STATE, when a signal asks for it.
ExitCode run(const config::Config& config, const std::vector<singer::Stream>& catalog,
             const FullRefresh& refresh, singer::State state, singer::Writer& writer);

}  // namespace tap::sync
