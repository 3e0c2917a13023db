// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include <tap/pgtypes/type_row.hpp>

namespace tap::value {

struct Kind;  // a row of the one table of types: src/value/kinds.hpp

/// A column's type with its domains resolved: what its values are and how they travel.
struct Type {
  const Kind* kind = nullptr;  ///< never null once resolved; arrays have a kind of their own
  std::int32_t modifier = -1;  ///< the column's, else the innermost domain's that gives one; -1 for none
  std::shared_ptr<const Type> element;  ///< for arrays, with the column's modifier
  char delimiter = ',';                 ///< for arrays: between the elements in the text form
};

/// Resolves a column's type (pg_attribute.atttypid and atttypmod). A type that no row of the table knows is
/// one of the "other" types, sent as the text that the server's output function gives. `rows` must hold the
/// type and all it is made of; throws MalformedAnswer if they do not, or if a type contains
/// itself.
Type resolve(const TypeRows& rows, Oid type, std::int32_t modifier);

/// True if values can be read from the binary format. Else the column's text has to be asked for: the output
/// function's, `pg_catalog.format('%s', column)`, not a cast, which differs for inet, char(n), "char", bool
/// and xml.
bool has_binary(const Type& type);

/// True if a value's JSON is one string, number or boolean that the server reads back as the same value: what
/// the bookmark of an incremental stream must be. Not for arrays, composites, hstore, JSON
/// and bit.
bool is_scalar(const Type& type);

/// True if the Python tap leaves such a column out ("inclusion": "unsupported");
/// EncodingOptions::other_types decides what becomes of it here.
bool is_other(const Type& type);

}  // namespace tap::value
