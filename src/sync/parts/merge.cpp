// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include <tap/base/error.hpp>
#include <tap/base/file.hpp>
#include <tap/sync/parts/merge.hpp>

#include "bookmark_order.hpp"

namespace tap::sync {

namespace {

/// A bookmark and the name of the state that has it.
struct Candidate {
  const Json* bookmark;
  const std::string* source;
};

/// The candidate that no other one is newer than.
const Candidate& newest(const std::string& stream, const std::vector<Candidate>& candidates) {
  for (const Candidate& one : candidates) {
    const bool is_newest = std::ranges::all_of(candidates, [&](const Candidate& other) {
      return compare_bookmarks(*other.bookmark, *one.bookmark).order <= 0;
    });
    if (is_newest) {
      return one;
    }
  }
  for (const Candidate& one : candidates) {
    for (const Candidate& other : candidates) {
      if (const auto compared = compare_bookmarks(*one.bookmark, *other.bookmark); !compared.reason.empty()) {
        throw Error(
            ExitCode::usage,
            fmt::format("stream {}: cannot tell which bookmark is newer, that of {} or that of {}: {}; "
                        "name the state that both runs were given with --base, or remove the older "
                        "bookmark",
                        stream, *one.source, *other.source, compared.reason));
      }
    }
  }
  return candidates.back();
}

const Json& merge_bookmark(const std::string& stream, const std::vector<NamedState>& states,
                           const Json* in_base) {
  std::vector<Candidate> candidates;
  for (const NamedState& state : states) {
    const Json* const bookmark = state.state.find_bookmark(stream);
    const bool is_known = bookmark == nullptr || std::ranges::any_of(candidates, [&](const Candidate& known) {
                            return *known.bookmark == *bookmark;
                          });
    if (!is_known) {
      candidates.push_back({bookmark, &state.name});
    }
  }
  if (in_base != nullptr && candidates.size() > 1) {
    std::erase_if(candidates, [&](const Candidate& candidate) { return *candidate.bookmark == *in_base; });
  }
  return *newest(stream, candidates).bookmark;
}

NamedState load(const std::string& file) {
  const std::string text = read_file(file);
  const bool is_empty = text.find_first_not_of(" \t\r\n") == std::string::npos;
  return {file, is_empty ? singer::State() : singer::State(parse_json(text, file), file)};
}

}  // namespace

Json merge_states(const std::vector<NamedState>& states, const std::optional<NamedState>& base) {
  Json merged = Json::object();
  singer::State bookmarks;
  std::vector<std::string> syncing;
  for (const NamedState& state : states) {
    for (const auto& [key, value] : state.state.document().items()) {
      if (!merged.contains(key)) {
        merged[key] = value;
      }
    }
    for (const auto& [stream, bookmark] : state.state.document()["bookmarks"].items()) {
      if (bookmarks.find_bookmark(stream) == nullptr) {
        bookmarks.bookmark(stream) =
            merge_bookmark(stream, states, base ? base->state.find_bookmark(stream) : nullptr);
      }
    }
    if (const auto stream = state.state.currently_syncing();
        stream && std::ranges::find(syncing, *stream) == syncing.end()) {
      syncing.push_back(*stream);
    }
  }
  merged["bookmarks"] = bookmarks.document()["bookmarks"];
  merged["currently_syncing"] = syncing.size() == 1 ? Json(syncing.front()) : Json(nullptr);
  return merged;
}

std::string merge_state_files(const std::vector<std::string>& files, const std::optional<std::string>& base) {
  std::vector<NamedState> states;
  states.reserve(files.size());
  for (const std::string& file : files) {
    states.push_back(load(file));
  }
  return to_text(merge_states(states, base ? std::optional(load(*base)) : std::nullopt)) + "\n";
}

}  // namespace tap::sync
