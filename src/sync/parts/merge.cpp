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

/// Compares two candidates. If their order is unknown, one that differs from the base, the state that the
/// runs were given, is newer than one that does not.
BookmarkOrder compare(const Candidate& a, const Candidate& b, const Json* in_base) {
  BookmarkOrder compared = compare_bookmarks(*a.bookmark, *b.bookmark);
  if (in_base == nullptr || compared.order < 0 || compared.order > 0) {
    return compared;
  }
  const bool is_a_new = *a.bookmark != *in_base;
  const bool is_b_new = *b.bookmark != *in_base;
  return is_a_new == is_b_new ? compared : BookmarkOrder{is_a_new <=> is_b_new};
}

/// The candidate that no other one is newer than.
const Candidate& newest(const std::string& stream, const std::vector<Candidate>& candidates,
                        const Json* in_base) {
  for (const Candidate& one : candidates) {
    const bool is_newest = std::ranges::all_of(
        candidates, [&](const Candidate& other) { return compare(other, one, in_base).order <= 0; });
    if (is_newest) {
      return one;
    }
  }
  for (const Candidate& one : candidates) {
    for (const Candidate& other : candidates) {
      if (const auto compared = compare(one, other, in_base); !compared.reason.empty()) {
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
  return *newest(stream, candidates, in_base).bookmark;
}

NamedState load(const std::string& file) {
  const std::string text = read_file(file);
  const bool is_empty = text.find_first_not_of(" \t\r\n") == std::string::npos;
  return {file, is_empty ? singer::State() : singer::State(parse_json(text, file), file)};
}

}  // namespace

Json merge_states(std::vector<NamedState> states, const std::optional<NamedState>& base) {
  std::vector<std::string> syncing;
  for (const NamedState& state : states) {
    if (const auto stream = state.state.currently_syncing();
        stream && std::ranges::find(syncing, *stream) == syncing.end()) {
      syncing.push_back(*stream);
    }
  }
  if (base) {
    states.push_back(*base);
  }
  Json merged = Json::object();
  singer::State bookmarks;
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
  return to_text(merge_states(std::move(states), base ? std::optional(load(*base)) : std::nullopt)) + "\n";
}

}  // namespace tap::sync
