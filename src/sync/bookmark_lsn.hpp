// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include <tap/base/json.hpp>
#include <tap/pg/timeline.hpp>
#include <tap/pgtypes/lsn.hpp>
#include <tap/pgtypes/type_row.hpp>

namespace tap::sync {

// WAL positions in the bookmark of a log-based stream. A bookmark without the key, or with a value of another
// type, has no position.

/// The end of the last transaction that was sent, or nothing before the initial snapshot is complete.
std::optional<Lsn> bookmark_lsn(const Json& bookmark);

/// The oldest WAL that the stream still needs: its own position, or that of an unfinished initial snapshot.
std::optional<Lsn> oldest_needed_lsn(const Json& bookmark);

/// The relation that the position belongs to. The table of that name may be a different one by now.
std::optional<Oid> bookmark_relation(const Json& bookmark);

/// The timeline of bookmark_lsn(); nothing if it was not recorded, as by a tap in Python.
std::optional<pg::Timeline> bookmark_timeline(const Json& bookmark);
constexpr const char* kTimelineKey = "timeline";

}  // namespace tap::sync
