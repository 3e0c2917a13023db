// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <tap/base/json.hpp>
#include <tap/pgtypes/type_row.hpp>

namespace tap::sync {

/// A bookmark's version; nothing if it is of a tap that sends none: to activate one would drop its rows.
std::optional<std::int64_t> version_of(const Json& bookmark);

/// A version above `previous`: the time in milliseconds, unless the clock is behind. Targets drop rows of a
/// version lower than the one they know.
std::int64_t next_version(std::int64_t previous);

/// Gives the stream a new version, above all earlier ones in its bookmark.
void renew_version(Json& bookmark);

/// Empties a bookmark except for the lower bounds of the stream's next version and sequence.
void reset_bookmark(Json& bookmark);

/// The last `sequence` that the stream's records have had (record_sequence), 0 if none.
std::int64_t sequence_of(const Json& bookmark);

/// Whether a bookmark moves forward from attempt to attempt.
class BookmarkProgress {
 public:
  explicit BookmarkProgress(Json bookmark) : last_(std::move(bookmark)) {}

  /// True if the bookmark has advanced since the last call. A copy that restarted in a new version has not.
  bool has_advanced(const Json& now);

 private:
  Json last_;
};

/// An incremental bookmark's value as the server reads it; nothing if there is none yet. 0, "" and false are
/// values.
std::optional<std::string> bookmark_text(const Json& bookmark);

/// True for the binary form of a key after which no finite key sorts: infinity, NaN.
using IsInfinite = bool (*)(std::string_view key);
/// The one for a key of this type; null if the type has neither.
IsInfinite infinity_test(const TypeRows& types, Oid type);
/// The same for a bookmark's text.
bool is_infinite_text(std::string_view bookmark);

/// The schema, quoted, of the operators that order a type: its own for a base type that an extension brings
/// (citext compared by pg_catalog's would be text), else pg_catalog.
std::string operator_schema(const TypeRows& types, Oid type);

/// SQL for the key that lies `lookback` (seconds or a number, by the type) below the bookmark, which is given
/// as a literal; empty if the type has no such distance. Of a moment's no more than a thousand years count.
std::string lookback_start(const TypeRows& types, Oid type, const std::string& bookmark, double lookback);

}  // namespace tap::sync
