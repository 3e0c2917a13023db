// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>

#include <tap/sync/row_filter.hpp>

#include "publication_plan.hpp"

namespace tap::sync {

/// The row filter of all changes of the stream's tables; empty: all rows. Nothing if it is not the same for
/// all tables and actions, or if it does not apply to partitions that are created later: then a copy could
/// not be filtered in the same way.
std::optional<std::string> row_filter_of(const PublishedStream& stream, const PublicationFacts& facts);

/// By the ID of a stream: its row filter, unless all rows are published.
std::map<std::string, Condition> row_filters_of(const PublicationFacts& facts);

}  // namespace tap::sync
