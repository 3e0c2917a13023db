// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include <tap/base/json.hpp>
#include <tap/sync/slots/publications.hpp>

#include "publication_plan.hpp"

namespace tap::sync {

// A log-based stream's bookmark records through which rows of the catalog its tables are published. A table
// that was removed from its publications and added again is published through others: changes made in between
// are missing. A row that is still there has been there all the time.

/// What to record now, before changes are read.
Json record_of(const PublicationFacts& facts, const PublishedStream& stream);

/// What to record if changes of the stream are not published: it needs a full refresh, even if they are
/// published again when the next run begins.
Json record_of_gap();

/// An error of the stream if changes since its position may be missing, though its tables are published now.
std::optional<PublicationFinding> recorded_gap(const PublicationFacts& facts, const PublishedStream& stream);

}  // namespace tap::sync
