// SPDX-License-Identifier: Apache-2.0
#include "bookmark_order.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include "sync/bookmark.hpp"
#include "sync/bookmark_lsn.hpp"
#include "sync/copy/position.hpp"

namespace tap::sync {

namespace {

using Order = std::partial_ordering;

constexpr const char* kKeySetAt = "replication_key_set_at";  // in milliseconds since 1970; never decreases

BookmarkOrder unordered(std::string reason) {
  return {Order::unordered, std::move(reason)};
}

Json member(const Json& bookmark, const char* key) {
  const auto found = bookmark.find(key);
  return found == bookmark.end() ? Json() : *found;
}

/// True if nothing of the stream has been sent.
bool is_empty(const Json& bookmark) {
  return std::ranges::all_of(bookmark.items(), [](const auto& entry) {
    return entry.value().is_null() || entry.key() == "last_replication_method" ||
           entry.key() == "replication_key";
  });
}

/// A number that grows with the version, which never decreases; a bookmark that was reset for a full refresh
/// is newer than those of its last version. Nothing without a version.
std::optional<double> generation(const Json& bookmark) {
  constexpr double reset = 0.5;
  const auto number = [&](const char* key) {
    const Json value = member(bookmark, key);
    return value.is_number_integer() ? std::optional(value.get<double>()) : std::nullopt;
  };
  const auto version = number("version");
  const auto previous = number("previous_version");
  return version ? version : previous ? std::optional(*previous + reset) : std::nullopt;
}

/// How far the copy of a table is.
enum class Stage { begun, copying, complete };

Stage stage_of(const Json& bookmark) {
  const Json xmin = member(bookmark, "xmin");  // null after a copy; Python taps set it during one
  if (bookmark.contains("copy") || !xmin.is_null()) {
    return Stage::copying;
  }
  return bookmark.contains("xmin") || bookmark_lsn(bookmark) ? Stage::complete : Stage::begun;
}

BookmarkOrder compare_copies(const Json& a, const Json& b) {
  const auto first = read_position(member(a, "copy"));
  const auto second = read_position(member(b, "copy"));
  if (!first || !second) {
    return unordered("the position of an unfinished copy is not known");
  }
  if (!is_same_history(first->origin.timeline, second->origin.timeline) ||
      first->columns != second->columns) {
    return unordered("they are of unfinished copies of different servers or different columns");
  }
  const auto is_before = [](const CopyPosition& x, const CopyPosition& y) {
    const bool has_done = std::ranges::all_of(x.done, [&](Oid oid) { return y.is_done(oid); });
    return has_done && x.done.size() <= y.done.size() &&
           (x.partition == y.partition || y.is_done(x.partition));
  };
  if (first->partition == second->partition && is_before(*first, *second) && is_before(*second, *first)) {
    if (first->relfilenode != second->relfilenode) {
      return unordered("the table was rewritten between the two copies");
    }
    const auto by_ctid = first->ctid <=> second->ctid;
    return {by_ctid != 0 ? by_ctid : snapshot_xmax(first->origin) <=> snapshot_xmax(second->origin)};
  }
  if (is_before(*first, *second)) {
    return {Order::less};
  }
  return is_before(*second, *first) ? BookmarkOrder{Order::greater}
                                    : unordered("they are of unfinished copies of different partitions");
}

BookmarkOrder compare_lsns(const Json& a, const Json& b) {
  const auto first = oldest_needed_lsn(a);
  const auto second = oldest_needed_lsn(b);
  if (!first || !second) {
    return {Order::equivalent};
  }
  const auto timeline_a = bookmark_timeline(a);
  const auto timeline_b = bookmark_timeline(b);
  const bool are_different = timeline_a && timeline_b && *timeline_a != *timeline_b;
  if (are_different &&
      (timeline_a->system != timeline_b->system || (timeline_a->id < timeline_b->id) != (*first < *second))) {
    return unordered("they are of the WAL of different servers or timelines");
  }
  return {Order(*first <=> *second)};
}

BookmarkOrder compare_keys(const Json& a, const Json& b) {
  if (member(a, "replication_key") != member(b, "replication_key")) {
    return unordered(fmt::format("their replication keys are {} and {}",
                                 to_text(member(a, "replication_key")),
                                 to_text(member(b, "replication_key"))));
  }
  const Json first = member(a, "replication_key_value");
  const Json second = member(b, "replication_key_value");
  if (first.is_null() || second.is_null() || first == second) {
    return {second.is_null() <=> first.is_null()};
  }
  Order order = compare_key_values(first, second);
  const Json time_a = member(a, kKeySetAt);
  const Json time_b = member(b, kKeySetAt);
  if (order == Order::unordered && time_a.is_number_integer() && time_b.is_number_integer()) {
    order = time_a.get<std::int64_t>() <=> time_b.get<std::int64_t>();
  }
  return {order, order == Order::unordered ? fmt::format("only the server knows the order of {} and {}",
                                                         to_text(first), to_text(second))
                                           : ""};
}

}  // namespace

void set_key_value(Json& bookmark, Json value) {
  const bool has_order = compare_key_values(value, value) != Order::unordered;
  const bool is_new = member(bookmark, "replication_key_value") != value;
  bookmark["replication_key_value"] = std::move(value);
  if (!has_order && is_new) {
    const Json before = member(bookmark, kKeySetAt);
    bookmark[kKeySetAt] = next_version(before.is_number_integer() ? before.get<std::int64_t>() : 0);
  }
}

namespace {

/// A bookmark that may be of another tap, in our form.
Json normalized(const Json& bookmark) {
  Json ours = bookmark;
  if (member(ours, "replication_key") == "_sdc_lsn" && !ours.contains("lsn")) {  // of the SDK
    ours["lsn"] = member(ours, "replication_key_value");
    ours.erase("replication_key");
    ours.erase("replication_key_value");
  }
  return ours;
}

BookmarkOrder compare_normalized(const Json& a, const Json& b) {
  constexpr double none = -1;  // other taps write no version
  const auto first = generation(a);
  const auto second = generation(b);
  if (is_empty(a) || is_empty(b)) {
    return {is_empty(b) <=> is_empty(a)};
  }
  if (first != second) {
    return {first.value_or(none) <=> second.value_or(none)};
  }
  const Json method = member(a, "last_replication_method");
  const Json other = member(b, "last_replication_method");
  if (!method.is_null() && !other.is_null() && method != other) {
    return unordered(fmt::format("their replication methods are {} and {}", to_text(method), to_text(other)));
  }
  if (a.contains("replication_key_value") || b.contains("replication_key_value")) {
    return compare_keys(a, b);
  }
  const Stage stage_a = stage_of(a);
  const Stage stage_b = stage_of(b);
  if (stage_a != stage_b) {
    return {stage_a <=> stage_b};
  }
  return stage_a == Stage::copying ? compare_copies(a, b) : compare_lsns(a, b);
}

}  // namespace

BookmarkOrder compare_bookmarks(const Json& a, const Json& b) {
  return a == b ? BookmarkOrder{Order::equivalent} : compare_normalized(normalized(a), normalized(b));
}

}  // namespace tap::sync
