// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

#include <tap/sync/slots/publications.hpp>

#include "publication_plan.hpp"

namespace tap::sync {

// Columns of a stream that its publications leave out.

/// An error of the run: the server refuses to send changes of a table of which two publications publish
/// different columns.
std::optional<PublicationFinding> unequal_columns(const PublicationFacts& facts,
                                                  const PublishedStream& stream,
                                                  const pg::PublishedTable& table);

/// An error of the stream: changes of the table lack a key column of the records.
std::optional<PublicationFinding> unpublished_key(const PublicationFacts& facts,
                                                  const PublishedStream& stream,
                                                  const pg::PublishedTable& table);

/// Other columns, whose values are read from the table after each change.
std::vector<PublicationFinding> columns_to_read(const PublicationFacts& facts, const PublishedStream& stream);

}  // namespace tap::sync
