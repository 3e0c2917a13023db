// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <tap/config/config.hpp>
#include <tap/pg/catalog/table_sizes.hpp>
#include <tap/singer/catalog.hpp>

namespace tap::sync {

/// Where the sizes and the defaults of streams come from besides the catalog.
struct StreamFacts {
  std::optional<singer::ReplicationMethod> default_method;  ///< unset: unknown, any may apply
  std::string database;                                     ///< of streams that name none; "": unknown
  std::map<std::string, pg::TableSize> sizes;               ///< by tap_stream_id; may lack streams
};

/// The bytes of a stream's synced columns: the catalog's row-count by the usual width of each type. At least
/// the cost of a stream without rows.
double estimate_bytes(const singer::Stream& stream);
/// The size of the stream's table, if it is known, else the estimate.
double bytes_of(const singer::Stream& stream, const StreamFacts& facts);

/// Returns the index of the part, from 0, for each selected stream, std::nullopt for the others. The
/// log-based streams of a database are one unit, because only one run can read their slot; so are streams
/// without a method, which may be log-based, and the streams of a tree of partitions. If the database of a
/// log-based stream is unknown, all log-based streams are one unit.
std::vector<std::optional<std::size_t>> assign_streams(const std::vector<singer::Stream>& streams,
                                                       const StreamFacts& facts, std::size_t parts);

}  // namespace tap::sync
