// SPDX-License-Identifier: Apache-2.0
#include "bookmark_lsn.hpp"

namespace tap::sync {

namespace {

std::optional<Lsn> lsn_of(const Json& object) {
  const auto lsn = object.find("lsn");
  return lsn != object.end() && lsn->is_number_unsigned() ? std::optional(Lsn{lsn->get<std::uint64_t>()})
                                                          : std::nullopt;
}

bool is_copying(const Json& bookmark) {
  const auto xmin = bookmark.find("xmin");  // set by the Python tap while it copies
  return bookmark.contains("copy") || (xmin != bookmark.end() && !xmin->is_null());
}

}  // namespace

std::optional<Lsn> bookmark_lsn(const Json& bookmark) {
  return is_copying(bookmark) ? std::nullopt : lsn_of(bookmark);
}

std::optional<Lsn> oldest_needed_lsn(const Json& bookmark) {
  const auto copy = bookmark.find("copy");
  return copy != bookmark.end() && copy->is_object() ? lsn_of(*copy) : lsn_of(bookmark);
}

std::optional<Oid> bookmark_relation(const Json& bookmark) {
  const auto oid = bookmark.find("table_oid");
  return oid != bookmark.end() && oid->is_number_unsigned() ? std::optional(oid->get<Oid>()) : std::nullopt;
}

std::optional<pg::Timeline> bookmark_timeline(const Json& bookmark) {
  const auto timeline = bookmark.find(kTimelineKey);
  return timeline != bookmark.end() && timeline->is_string() && !is_copying(bookmark)
             ? pg::read_timeline(timeline->get_ref<const std::string&>())
             : std::nullopt;
}

}  // namespace tap::sync
