// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <unordered_map>

#include <tap/pgtypes/oids.hpp>

namespace tap {

/// The server_version_num of a server newer than all others.
constexpr int kNewestServer = std::numeric_limits<int>::max();

/// A row of pg_type (manual: System Catalogs, pg_type), as far as a value's JSON depends on it.
struct TypeRow {
  std::string name;      ///< typname: "int4", "_int4", "hstore", an enum's own name
  std::string schema{};  ///< its typnamespace's name
  char kind = 'b';       ///< typtype: b base, c composite, d domain, e enum, r range, m multirange, p pseudo
  char category = 'U';   ///< typcategory: 'A' for arrays
  Oid base = 0;          ///< typbasetype: what a domain is over, else 0
  std::int32_t modifier = -1;  ///< typtypmod: the modifier a domain gives its base type
  Oid element = 0;             ///< typelem: an array's element type (also set for name, point, ...), else 0
  Oid subtype = 0;             ///< rngsubtype of a range, and of a multirange's range; else 0
  bool is_array = false;       ///< a true array (typlen -1 and typsubscript/array_in), not name or point
  /// Of an enum its labels in hexadecimal, in the order of their creation, of a composite type its
  /// attributes, between commas; set by find_relations() only.
  std::string parts{};
  char delimiter = ',';                ///< typdelim of this type, between its values in an array's text
  std::string display_name{};          ///< format_type() without modifiers: "character varying", "integer[]"
  int server_version = kNewestServer;  ///< server_version_num: the text of some types depends on it
};

/// Types by OID: those of a set of columns, with their base types, element types and subtypes.
using TypeRows = std::unordered_map<Oid, TypeRow>;

/// How deep domains, arrays and ranges may be nested. The functions below throw MalformedAnswer if a type
/// contains itself, is nested deeper, or refers to a type that `types` lacks: PostgreSQL has no such types.
constexpr int kMaxTypeNesting = 100;

/// Returns the row of a type.
const TypeRow& type_row(const TypeRows& types, Oid type);
/// Returns the type on which a domain is based, through all nested domains; other types are returned
/// unchanged.
Oid base_type(const TypeRows& types, Oid type);
[[noreturn]] void throw_nested_type(const TypeRow& type);

/// Returns the type's display_name; empty if `types` lacks it, for example because it was created later.
inline std::string display_name(const TypeRows& types, Oid type) {
  const auto found = types.find(type);
  return found == types.end() ? "" : found->second.display_name;
}

}  // namespace tap
