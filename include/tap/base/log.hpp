// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <spdlog/spdlog.h>

namespace tap::log {

/// Sends the log to stderr as `LEVEL message` lines. stdout is the target's: nothing may be logged before
/// this. Everything logs through spdlog::info() and its kin.
void start();

}  // namespace tap::log
