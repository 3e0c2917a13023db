// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include <tap/pgtypes/type_row.hpp>

namespace tap::value {

struct TypeEntry;  // a row of the table of types: src/value/type_table.hpp

/// A column's type with its domains resolved.
struct Type {
  const TypeEntry* entry = nullptr;  ///< static; never null once resolved. All arrays share one entry
  std::int32_t modifier = -1;  ///< of the column, else of the outermost domain that has one; -1 for none
  std::shared_ptr<const Type> element;  ///< of arrays, with the column's modifier
  char delimiter = ',';                 ///< of arrays: between the elements in the text format
  const TypeEntry* bound = nullptr;     ///< of ranges and multiranges: the entry of their subtype
  int server_version = kNewestServer;   ///< as TypeRow::server_version
};

/// Resolves a column's type (pg_attribute.atttypid and atttypmod). A type without an entry in the table of
/// types is one of the "other" types, written as the text of its output function. `rows` must contain the
/// type, the types below its domains, its element types and its subtype; throws MalformedAnswer if one is
/// missing or a type contains itself.
Type resolve(const TypeRows& rows, Oid type, std::int32_t modifier);

/// True if values can be encoded from the binary format. If not, select the output function's text by
/// `pg_catalog.format('%s', column)`. A cast to text differs for inet, char(n), "char", bool and xml.
bool has_binary(const Type& type);

/// True if the bytes to encode (binary if has_binary()) are the text of the value. They need not be UTF-8 in
/// a SQL_ASCII database, or for type "char".
bool is_sent_as_text(const Type& type);

/// True if a value's JSON is one string, number or boolean that the server's input function turns back into
/// the same value, as the bookmark of an incremental stream requires. False for arrays, composites, hstore,
/// JSON and bit.
bool is_scalar(const Type& type);

/// True if the Python tap leaves such a column out ("inclusion": "unsupported"); EncodingOptions::other_types
/// decides whether this program does.
bool is_other(const Type& type);

}  // namespace tap::value
