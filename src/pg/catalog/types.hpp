// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include <tap/pg/result.hpp>
#include <tap/pgtypes/type_row.hpp>

namespace tap::pg {

/// Returns a query for the types whose OIDs the query `seeds` returns, with the base types of domains, the
/// element types of arrays and the subtypes of ranges. Their `parts` are empty unless it is called
/// `with_parts`.
std::string types_query(const std::string& seeds, bool with_parts = false);
/// Converts the rows of that query. Throws MalformedAnswer.
TypeRows read_types(const Result& rows);

}  // namespace tap::pg
