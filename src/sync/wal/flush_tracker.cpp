// SPDX-License-Identifier: Apache-2.0
#include "flush_tracker.hpp"

#include <algorithm>
#include <utility>

#include <tap/base/error.hpp>
#include <tap/base/file.hpp>
#include <tap/base/log.hpp>

#include "sync/bookmark_lsn.hpp"

namespace tap::sync {

namespace {

std::optional<Lsn> position_of(const std::string& stream, const singer::State& state) {
  const Json* const bookmark = state.find_bookmark(stream);
  return bookmark == nullptr ? std::nullopt : oldest_needed_lsn(*bookmark);
}

}  // namespace

FlushTracker::FlushTracker(const std::vector<const StreamPlan*>& streams, const singer::State& given,
                           std::optional<std::string> state_file, Clock::time_point now)
    : state_file_(std::move(state_file)), last_read_(now) {
  for (const StreamPlan* stream : streams) {
    given_lsns_[stream->stream.id] = position_of(stream->stream.id, given);
  }
}

void FlushTracker::hold(const std::string& stream, Lsn lsn) {
  held_lsns_.emplace(stream, lsn);
}

void FlushTracker::read_again(Clock::time_point now, Lsn written) {
  if (!state_file_ || now - last_read_ < kReadInterval) {
    return;
  }
  last_read_ = now;
  if (!is_regular_file(*state_file_)) {
    log::debug("the state file is read only once: {} is not a regular file", *state_file_);
    return;
  }
  try {
    const singer::State state(parse_json(read_file(*state_file_), *state_file_), *state_file_);
    for (auto& [stream, given] : given_lsns_) {
      const auto lsn = position_of(stream, state);
      if (lsn && *lsn <= written && (!given || *lsn > *given)) {
        given = lsn;
      }
    }
  } catch (const Error& error) {  // another program may be writing the file
    log::debug("cannot read the state file again: {}", error.what());
  }
}

std::optional<Lsn> FlushTracker::flush_lsn() const {
  std::optional<Lsn> minimum;
  bool has_given = false;
  for (const auto& [stream, given] : given_lsns_) {
    const auto held = held_lsns_.find(stream);
    const auto lsn = given || held == held_lsns_.end() ? given : std::optional(held->second);
    has_given = has_given || given;
    if (lsn) {
      minimum = minimum ? std::min(*minimum, *lsn) : *lsn;
    }
  }
  return has_given ? minimum : std::nullopt;
}

}  // namespace tap::sync
