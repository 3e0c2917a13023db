// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>

namespace tap::singer {

/// How a stream is replicated (Singer specification, replication-method).
enum class ReplicationMethod { full_table, incremental, log_based };

/// The methods by their names in catalogs, states, the config and the command line.
inline constexpr std::array<std::pair<std::string_view, ReplicationMethod>, 3> kReplicationMethods = {
    {{"FULL_TABLE", ReplicationMethod::full_table},
     {"INCREMENTAL", ReplicationMethod::incremental},
     {"LOG_BASED", ReplicationMethod::log_based}}};

/// `FULL_TABLE`, `INCREMENTAL` or `LOG_BASED`.
constexpr std::string_view method_name(ReplicationMethod method) {
  return std::ranges::find(kReplicationMethods, method, [](const auto& entry) { return entry.second; })
      ->first;
}

/// The method of this name; nothing if there is none.
constexpr std::optional<ReplicationMethod> find_method(std::string_view name) {
  const auto* const found =
      std::ranges::find(kReplicationMethods, name, [](const auto& entry) { return entry.first; });
  return found == kReplicationMethods.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace tap::singer
