// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace tap {

/// Milliseconds since 1970 UTC: what stream versions are made of.
std::int64_t epoch_milliseconds();

/// This instant as Singer's time_extracted: `2026-01-31T08:15:30.123456Z`.
std::string utc_now();

}  // namespace tap
