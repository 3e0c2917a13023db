// SPDX-License-Identifier: Apache-2.0
#include <spdlog/fmt/fmt.h>

#include <tap/base/error.hpp>
#include <tap/pgtypes/type_row.hpp>

namespace tap {

const TypeRow& type_row(const TypeRows& types, Oid type) {
  const auto row = types.find(type);
  if (row == types.end()) {
    throw MalformedAnswer(
        fmt::format("the server's catalog is malformed: pg_type has no row for OID {}", type));
  }
  return row->second;
}

Oid base_type(const TypeRows& types, Oid type) {
  const TypeRow* row = &type_row(types, type);
  for (int nesting = 0; row->kind == 'd'; ++nesting) {
    if (nesting == kMaxTypeNesting) {
      throw_nested_type(*row);
    }
    type = row->base;
    row = &type_row(types, type);
  }
  return type;
}

void throw_nested_type(const TypeRow& type) {
  throw MalformedAnswer(
      fmt::format("the server's catalog is malformed: type {}.{} contains itself, or more than {} others",
                  type.schema, type.name, kMaxTypeNesting));
}

}  // namespace tap
