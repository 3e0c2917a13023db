// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <tap/pg/catalog/catalog_session.hpp>
#include <tap/pg/catalog/table_name.hpp>

namespace tap::pg {

/// The size of a table with its partitions or child tables.
struct TableSize {
  std::string root{};       ///< the topmost parent, quoted and qualified; the table itself if it has none
  std::uint64_t bytes = 0;  ///< of the files, with TOAST, without indexes; 0 for views and missing tables
};

/// The sizes of these tables, in their order. Throws what CatalogSession::query() does.
std::vector<TableSize> table_sizes(CatalogSession& session, const std::vector<TableName>& tables);

}  // namespace tap::pg
