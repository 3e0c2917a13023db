// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

#include <tap/sync/slots/publications.hpp>

#include "publication_plan.hpp"

namespace tap::sync {

// The server refuses UPDATE and DELETE of a published table unless its replica identity is published: a
// publication can break the application that changes the table.

/// Why the server refuses UPDATE and DELETE of a stream's table, with SQL that changes nothing else for the
/// application; nothing if it allows them.
std::optional<Problem> blocked_updates(const PublicationFacts& facts, const PublishedStream& stream,
                                       const pg::PublishedTable& table);

/// The same for other tables of the publications, one finding for each publication.
std::vector<PublicationFinding> blocked_other_tables(const PublicationFacts& facts);

}  // namespace tap::sync
