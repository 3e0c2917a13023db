// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <tap/pg/result.hpp>
#include <tap/pgtypes/type_row.hpp>

namespace tap::pg {

/// The query for the types that `seeds` (a query for OIDs) names and all they are made of: what domains are
/// over, what arrays hold.
std::string types_query(const std::string& seeds);
TypeRows read_types(const Result& rows);

}  // namespace tap::pg
