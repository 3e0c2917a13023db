// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <tap/sync/row_filter.hpp>

namespace tap::sync {

/// True if the result of the conditions changes only when the row is written, so that an interrupted copy can
/// resume: they consist of literals, operators, casts to built-in types, and the names of the table and of
/// its columns. False for everything else, such as subqueries, functions, the current time, and words that
/// are not known here.
bool depends_only_on_row(const std::vector<Condition>& conditions, const std::string& table,
                         const std::vector<std::string>& columns);

}  // namespace tap::sync
