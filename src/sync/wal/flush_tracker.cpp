// SPDX-License-Identifier: Apache-2.0
#include "flush_tracker.hpp"

#include <algorithm>

#include <tap/base/error.hpp>
#include <tap/base/file.hpp>
#include <tap/base/log.hpp>

namespace tap::sync {

namespace {

constexpr std::chrono::seconds kReadAgain{10};

std::optional<Lsn> lsn_of(const Json& object) {
  const auto lsn = object.find("lsn");
  return lsn != object.end() && lsn->is_number_unsigned() ? std::optional(Lsn{lsn->get<std::uint64_t>()})
                                                          : std::nullopt;
}

}  // namespace

std::optional<Lsn> bookmark_lsn(const Json& bookmark) {
  const auto xmin = bookmark.find("xmin");
  const bool copying = bookmark.contains("copy") || (xmin != bookmark.end() && !xmin->is_null());
  return copying ? std::nullopt : lsn_of(bookmark);
}

std::optional<Oid> followed_table(const Json& bookmark) {
  const auto oid = bookmark.find("table_oid");
  return oid != bookmark.end() && oid->is_number_unsigned() ? std::optional(oid->get<Oid>()) : std::nullopt;
}

std::optional<Lsn> needed_from(const Json& bookmark) {
  const auto copy = bookmark.find("copy");
  return copy != bookmark.end() && copy->is_object() ? lsn_of(*copy) : lsn_of(bookmark);
}

FlushTracker::FlushTracker(const std::vector<const StreamPlan*>& streams, const singer::State& given,
                           std::optional<std::string> state_file)
    : state_file_(std::move(state_file)) {
  for (const StreamPlan* stream : streams) {
    kept_[stream->stream.id] =
        needed_from(given.document()["bookmarks"].value(stream->stream.id, Json::object()));
  }
}

void FlushTracker::hold(const std::string& stream, Lsn from) {
  held_.emplace(stream, from);
}

std::optional<Lsn> FlushTracker::flushed(Lsn sent) {
  if (state_file_ && Clock::now() - last_read_ >= kReadAgain) {
    read_again(sent);
  }
  std::optional<Lsn> least;
  bool any_kept = false;
  for (const auto& [stream, kept] : kept_) {
    const auto held = held_.find(stream);
    const auto from = kept ? kept : held != held_.end() ? std::optional(held->second) : std::nullopt;
    any_kept = any_kept || kept;
    if (from) {
      least = least ? std::min(*least, *from) : *from;
    }
  }
  return any_kept ? least : std::nullopt;
}

void FlushTracker::read_again(Lsn sent) {
  last_read_ = Clock::now();
  if (!is_regular_file(*state_file_)) {
    log::debug("the state is not read again: {} is not a regular file", *state_file_);
    return;
  }
  try {
    const singer::State state(parse_json(read_file(*state_file_), *state_file_), *state_file_);
    for (auto& [stream, kept] : kept_) {
      const auto now = needed_from(state.document()["bookmarks"].value(stream, Json::object()));
      if (now && *now <= sent && (!kept || *now > *kept)) {
        kept = now;
      }
    }
  } catch (const Error& error) {
    log::debug("not read again: {}", error.what());  // being written, perhaps
  }
}

}  // namespace tap::sync
