// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace tap {

/// Returns the milliseconds since 1970-01-01 UTC, the unit of stream versions.
std::int64_t epoch_milliseconds();

/// Returns the current time in the form of Singer's time_extracted: `2026-01-31T08:15:30.123456Z`.
std::string utc_now();

}  // namespace tap
