// SPDX-License-Identifier: Apache-2.0
#include "kinds.hpp"

#include <algorithm>
#include <array>

#include <tap/value/type.hpp>

#include "value/encoders/encoders.hpp"

namespace tap::value {

namespace {

// The types that come with the server (src/include/catalog/pg_type.dat), but for those that are "other" and
// travel as text: what is not here is kOther.
constexpr auto kBuiltIn = std::to_array<Kind>({
    {16, "bool", Family::boolean, bool_binary, bool_text},
    {oids::kBytea, "bytea", Family::text, bytea_binary, text, true},
    {19, "name", Family::text, text, text, true},
    {20, "int8", Family::int8, int8_binary, integer_text},
    {21, "int2", Family::int2, int2_binary, integer_text},
    {23, "int4", Family::int4, int4_binary, integer_text},
    {25, "text", Family::text, text, text},
    {114, "json", Family::json, json, json},
    {650, "cidr", Family::text, nullptr, text},
    {700, "float4", Family::floating, float4_binary, float4_text},
    {701, "float8", Family::floating, float8_binary, float8_text},
    {790, "money", Family::text, nullptr, text},
    {829, "macaddr", Family::text, nullptr, text},
    {869, "inet", Family::text, nullptr, text},
    {1042, "bpchar", Family::limited_text, text, text},
    {1043, "varchar", Family::limited_text, text, text},
    {1082, "date", Family::date_time, date_binary, date_text},
    {1083, "time", Family::text, time_binary, time_text},
    {1114, "timestamp", Family::date_time, timestamp_binary, timestamp_text},
    {1184, "timestamptz", Family::date_time, timestamptz_binary, timestamptz_text},
    {1266, "timetz", Family::text, timetz_binary, timetz_text},
    {1560, "bit", Family::bit, nullptr, bit_text},
    {1700, "numeric", Family::numeric, numeric_binary, numeric_text},
    {2950, "uuid", Family::text, uuid_binary, text},
    {3802, "jsonb", Family::json, jsonb_binary, json},
});
// The types of extensions have other OIDs in each database.
constexpr auto kByName = std::to_array<Kind>({
    {0, "citext", Family::text, text, text},
    {0, "hstore", Family::hstore, hstore_binary, hstore_text},
});
constexpr Kind kEnum = {0, "enum", Family::text, text, text};
constexpr Kind kArray = {0, "array", Family::array, array_binary, array_text};
constexpr Kind kComposite = {0, "composite", Family::text, nullptr, text, true};
constexpr Kind kOther = {0, "other", Family::text, nullptr, text, true};

const Kind& kind_of(Oid oid, const TypeRow& row) {
  if (row.kind == 'e') {
    return kEnum;
  }
  if (row.kind == 'c') {
    return kComposite;
  }
  if (oid < oids::kFirstOfUsers) {
    const auto* kind = std::ranges::find(kBuiltIn, oid, &Kind::oid);
    return kind == kBuiltIn.end() ? kOther : *kind;
  }
  const auto* kind = std::ranges::find(kByName, row.name, &Kind::name);
  return row.kind != 'b' || kind == kByName.end() ? kOther : *kind;
}

Type resolve_nested(const TypeRows& rows, Oid oid, std::int32_t modifier, int nesting) {
  const TypeRow* row = &type_row(rows, oid);
  for (; row->kind == 'd'; ++nesting) {
    if (nesting >= kMaxTypeNesting) {
      throw_nested_type(*row);
    }
    modifier = modifier == -1 ? row->modifier : modifier;
    oid = row->base;
    row = &type_row(rows, oid);
  }
  Type type;
  type.modifier = modifier;
  if (row->is_array) {
    if (nesting >= kMaxTypeNesting) {
      throw_nested_type(*row);
    }
    type.kind = &kArray;
    type.element = std::make_shared<const Type>(resolve_nested(rows, row->element, modifier, nesting + 1));
    type.delimiter = type_row(rows, row->element).delimiter;
  } else {
    type.kind = &kind_of(oid, *row);
  }
  return type;
}

}  // namespace

Type resolve(const TypeRows& rows, Oid oid, std::int32_t modifier) {
  return resolve_nested(rows, oid, modifier, 0);
}

bool has_binary(const Type& type) {
  return type.element ? has_binary(*type.element) : type.kind->binary != nullptr;
}

bool is_scalar(const Type& type) {
  switch (type.kind->family) {
    case Family::array:
    case Family::hstore:
    case Family::json:
    case Family::bit:
      return false;
    default:
      return type.kind != &kComposite;
  }
}

bool is_other(const Type& type) {
  if (type.element) {
    // The Python tap takes an array of any other type, as one of strings.
    return type.element->kind->oid == oids::kBytea;
  }
  return type.kind->other || (type.kind->family == Family::bit && type.modifier > 1);
}

}  // namespace tap::value
