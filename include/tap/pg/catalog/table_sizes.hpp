// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <tap/pg/catalog/table_name.hpp>
#include <tap/pg/connection.hpp>

namespace tap::pg {

/// The size of a table with its partitions or child tables.
struct TableSize {
  std::string root{};       ///< the topmost parent, quoted and qualified; the table itself if it has none
  std::uint64_t bytes = 0;  ///< of the files, with TOAST, without indexes; 0 for views and missing tables
};

/// The sizes of these tables, in their order. Waits for locks on them. Throws what Connection::query() does.
std::vector<TableSize> table_sizes(Connection& connection, const std::vector<TableName>& tables);

}  // namespace tap::pg
