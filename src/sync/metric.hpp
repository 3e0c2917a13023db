// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace tap::sync {

/// The Singer METRIC line of how many records a stream had.
void log_record_count(const std::string& stream, std::uint64_t count);

}  // namespace tap::sync
