// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tap::config {

/// The candidate closest to a misspelled word, if at most `limit` characters differ (default: two fifths of
/// the longer word).
std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& candidates,
                                   std::optional<std::size_t> limit = std::nullopt);

}  // namespace tap::config
