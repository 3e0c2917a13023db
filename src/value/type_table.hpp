// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include <tap/pgtypes/oids.hpp>
#include <tap/value/encoder.hpp>

namespace tap::value {

/// Types of one family have the same JSON schema, except for the effect of their modifiers.
enum class TypeFamily {
  int2,
  int4,
  int8,
  floating,
  numeric,
  boolean,
  bit,
  text,
  limited_text,  ///< varchar and char: the modifier limits the length
  date_time,
  json,
  hstore,
  array
};

/// A row of the table of types in type_table.cpp: the one place that says how a type is encoded.
struct TypeEntry {
  Oid oid;                ///< 0 if the type has no fixed OID
  std::string_view name;  ///< pg_type.typname
  TypeFamily family;
  EncodeFunction binary;  ///< null if values are always read as text
  EncodeFunction text;
  EncodeFunction output = nullptr;  ///< see output_functions.hpp; null if the JSON does not need it
  bool is_other = false;            ///< see is_other()
};

}  // namespace tap::value
