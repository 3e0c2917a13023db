// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include <tap/pgtypes/type_row.hpp>
#include <tap/value/encoder.hpp>

namespace tap::value {

/// What types have in common as far as the JSON schema goes.
enum class Family {
  int2,
  int4,
  int8,
  floating,
  numeric,
  boolean,
  bit,
  text,
  limited_text,  ///< varchar, char: their modifier limits the length
  date_time,
  json,
  hstore,
  array
};

/// A row of the one table of types, in kinds.cpp.
struct Kind {
  Oid oid;                ///< 0 if the type has no fixed one
  std::string_view name;  ///< pg_type.typname
  Family family;
  Encode binary;  ///< null if values travel as text
  Encode text;
  bool other = false;  ///< the Python tap calls it unsupported; see is_other()
};

namespace oids {
constexpr Oid kFirstOfUsers = 16384;  // FirstNormalObjectId: below it are the types that come with the server
constexpr Oid kBytea = 17;
}  // namespace oids

}  // namespace tap::value
