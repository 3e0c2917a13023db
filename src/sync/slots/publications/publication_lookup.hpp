// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <tap/config/config.hpp>
#include <tap/pg/connection.hpp>
#include <tap/sync/slots/publications.hpp>

#include "published_units.hpp"

namespace tap::sync {

/// `names` and the publications without updates that belong to them.
std::vector<std::string> with_inserts_publications(const std::vector<std::string>& names);

/// All that decisions on the publications of a database depend on, from one snapshot of the catalog. `slot`
/// is the pgoutput slot. `with_unidentified`: also PublicationFacts::unidentified, for which all tables of
/// the publications are looked up. Throws what Connection::query() does.
PublicationFacts look_up_publications(pg::Connection& connection, const config::Config& config,
                                      const std::string& database,
                                      const std::vector<StreamToPublish>& streams,
                                      const std::optional<std::string>& slot, bool with_unidentified);

}  // namespace tap::sync
