// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <tap/config/config.hpp>
#include <tap/pg/connection.hpp>
#include <tap/singer/state.hpp>
#include <tap/singer/writer.hpp>
#include <tap/sync/plan.hpp>

namespace tap::sync {

/// Copies a whole table in one snapshot: SCHEMA, RECORDs with STATEs between, the version's activation. Tables
/// are read in the order of their files, and each STATE says how far: the bookmark's `copy` is there only while
/// a copy is not done. Returns the number of rows. Throws StreamError, ConnectionLost, and what Writer throws.
std::uint64_t copy_full_table(pg::Connection& connection, const StreamPlan& plan, const config::Config& config,
                              singer::State& state, singer::Writer& writer);

}  // namespace tap::sync
