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

/// A bookmark's version. Nothing for the bookmark of a tap that sends no versions: activating one would
/// delete its rows from the target.
std::optional<std::int64_t> version_of(const Json& bookmark);

/// A version above `previous`: the time in milliseconds, or `previous` + 1 if the clock is behind. Targets
/// drop rows whose version is lower than the active one.
std::int64_t next_version(std::int64_t previous);

/// Gives the bookmark a new version, above all its earlier ones.
void renew_version(Json& bookmark);

/// Empties a bookmark, except for its version and sequence as lower bounds of the next ones.
void reset_bookmark(Json& bookmark);

/// The last `sequence` of the stream's records (setting record_sequence); 0 if none.
std::int64_t sequence_of(const Json& bookmark);

/// Tells whether a bookmark advances from attempt to attempt.
class BookmarkProgress {
 public:
  explicit BookmarkProgress(Json bookmark) : last_(std::move(bookmark)) {}

  /// True if the bookmark has changed since the last call, unless the copy has restarted with a new version.
  bool has_advanced(const Json& now);

 private:
  Json last_;
};

/// The text of an incremental bookmark's value, as the server parses it. Nothing if there is none yet; 0, ""
/// and false are values.
std::optional<std::string> bookmark_text(const Json& bookmark);

/// True for a key, in binary, that sorts after all finite keys: infinity or NaN.
using IsInfinite = bool (*)(std::string_view key);
/// The function for keys of a type; null if the type has no such values.
IsInfinite infinity_test(const TypeRows& types, Oid type);
/// The same for the text of a bookmark.
bool is_infinite_text(std::string_view bookmark);

/// The quoted schema of a type's comparison operators: the type's own schema for a base type of an extension
/// (pg_catalog's operators would compare citext as text), else pg_catalog.
std::string operator_schema(const TypeRows& types, Oid type);

/// The SQL expression for `bookmark`, a literal, minus `lookback`: seconds for dates and timestamps, at most
/// 1000 years, else a number. Empty if values of the type cannot be subtracted.
std::string lookback_start(const TypeRows& types, Oid type, const std::string& bookmark, double lookback);

}  // namespace tap::sync
