// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <string>

#include <tap/base/json.hpp>

namespace tap::sync {

/// Which of two bookmarks of one stream is newer.
struct BookmarkOrder {
  std::partial_ordering order = std::partial_ordering::unordered;  ///< `less`: the second one is newer
  std::string reason{};                                            ///< why they are unordered, for a message
};

/// Compares by version, then by how far a copy is, the replication key's value, or the LSN. Bookmarks that
/// differ in nothing that matters are equivalent.
BookmarkOrder compare_bookmarks(const Json& a, const Json& b);

/// Stores a new value of the replication key in a bookmark. If only the server knows the order of such
/// values, stores the time, too, so that bookmarks can be compared.
void set_key_value(Json& bookmark, Json value);

/// Compares two values of a replication key. Unordered if only the server knows their order, as that of text
/// in a collation.
std::partial_ordering compare_key_values(const Json& a, const Json& b);

}  // namespace tap::sync
