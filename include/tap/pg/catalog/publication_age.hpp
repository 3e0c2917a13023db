// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <tap/pg/connection.hpp>

namespace tap::pg {

/// Those of these publications that publish no table. Throws as Connection::query() does.
std::vector<std::string> empty_publications(Connection& connection,
                                            const std::vector<std::string>& publications);

/// The publications that may have been created or altered after the position of the slot, whose older changes
/// cannot be read with them. Adding a table to a publication does not count. Throws as Connection::query()
/// does.
std::vector<std::string> publications_newer_than_slot(Connection& connection,
                                                      const std::vector<std::string>& publications,
                                                      const std::string& slot);

}  // namespace tap::pg
