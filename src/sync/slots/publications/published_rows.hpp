// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include <tap/sync/row_filter.hpp>

#include "published_units.hpp"

namespace tap::sync {

/// The row filter of all changes of the stream's tables; empty: all rows. Nothing if it is not the same for
/// all tables and actions, or if it does not apply to partitions that are created later: then a copy could
/// not be filtered in the same way.
std::optional<std::string> row_filter_of(const PublishedStream& stream, const PublicationFacts& facts);

/// The columns of the row filters of the stream's tables. A table that is published with updates and deletes
/// and a row filter must have them in its replica identity.
std::set<std::string> row_filter_columns(const PublishedStream& stream);

/// By the ID of a stream: its row filter, unless all rows are published.
std::map<std::string, Condition> row_filters_of(const PublicationFacts& facts);

}  // namespace tap::sync
