// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <tap/base/json.hpp>
#include <tap/singer/state.hpp>

namespace tap::sync {

/// A state and where it comes from, for messages.
struct NamedState {
  std::string name;
  singer::State state;
};

/// Joins states and `base`, the state that the runs were given: each stream gets its newest bookmark. If the
/// order of two bookmarks is unknown, one that differs from the one in `base` replaces one that equals it.
/// Other members come from the first state that has them. Throws Error (ExitCode::usage) that names the
/// stream if two bookmarks cannot be compared.
Json merge_states(std::vector<NamedState> states, const std::optional<NamedState>& base);

/// Reads the files and returns the merged state as a line of text. An empty file is a state without
/// bookmarks, as a run leaves it that was stopped before its first STATE. Throws Error (ExitCode::usage).
std::string merge_state_files(const std::vector<std::string>& files, const std::optional<std::string>& base);

}  // namespace tap::sync
