// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <string>

namespace tap::pg {

/// The name of a table.
struct TableName {
  std::string schema;
  std::string table;

  auto operator<=>(const TableName&) const = default;
};

}  // namespace tap::pg
