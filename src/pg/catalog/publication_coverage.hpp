// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include <tap/pg/catalog/publications.hpp>
#include <tap/pg/connection.hpp>

namespace tap::pg {

/// Fills `published` of the tables, by their OIDs. Throws as Connection::query() does.
void find_published(Connection& connection, const std::vector<PublishedTable*>& tables,
                    const std::vector<Publication>& publications);

}  // namespace tap::pg
