// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include <tap/sync/slots/publications.hpp>

#include "publication_plan.hpp"

namespace tap::sync {

/// What is wrong with the publications, errors first to last in the order in which a run meets them. What a
/// run repairs by itself is a note.
std::vector<PublicationFinding> publication_problems(const PublicationFacts& facts);

}  // namespace tap::sync
