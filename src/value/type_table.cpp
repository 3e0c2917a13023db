// SPDX-License-Identifier: Apache-2.0
#include "type_table.hpp"

#include <algorithm>
#include <array>

#include <tap/value/type.hpp>

#include "value/encoders/encode_functions.hpp"

namespace tap::value {

namespace {

// Built-in types (src/include/catalog/pg_type.dat). One that is missing here is kOther.
constexpr auto kBuiltIn = std::to_array<TypeEntry>({
    {oids::kBool, "bool", TypeFamily::boolean, encode_bool_binary, encode_bool_text},
    {oids::kBytea, "bytea", TypeFamily::text, encode_bytea_binary, encode_text, true},
    {oids::kName, "name", TypeFamily::text, encode_text, encode_text, true},
    {oids::kInt8, "int8", TypeFamily::int8, encode_int8_binary, encode_integer_text},
    {oids::kInt2, "int2", TypeFamily::int2, encode_int2_binary, encode_integer_text},
    {oids::kInt4, "int4", TypeFamily::int4, encode_int4_binary, encode_integer_text},
    {oids::kText, "text", TypeFamily::text, encode_text, encode_text},
    {oids::kJson, "json", TypeFamily::json, encode_json, encode_json},
    {oids::kCidr, "cidr", TypeFamily::text, nullptr, encode_text},
    {oids::kFloat4, "float4", TypeFamily::floating, encode_float4_binary, encode_float4_text},
    {oids::kFloat8, "float8", TypeFamily::floating, encode_float8_binary, encode_float8_text},
    {oids::kMoney, "money", TypeFamily::text, nullptr, encode_text},
    {oids::kMacaddr, "macaddr", TypeFamily::text, nullptr, encode_text},
    {oids::kInet, "inet", TypeFamily::text, nullptr, encode_text},
    {oids::kBpchar, "bpchar", TypeFamily::limited_text, encode_text, encode_text},
    {oids::kVarchar, "varchar", TypeFamily::limited_text, encode_text, encode_text},
    {oids::kDate, "date", TypeFamily::date_time, encode_date_binary, encode_date_text},
    {oids::kTime, "time", TypeFamily::text, encode_time_binary, encode_time_text},
    {oids::kTimestamp, "timestamp", TypeFamily::date_time, encode_timestamp_binary, encode_timestamp_text},
    {oids::kTimestamptz, "timestamptz", TypeFamily::date_time, encode_timestamptz_binary,
     encode_timestamptz_text},
    {oids::kTimetz, "timetz", TypeFamily::text, encode_timetz_binary, encode_timetz_text},
    {oids::kBit, "bit", TypeFamily::bit, nullptr, encode_bit_text},
    {oids::kNumeric, "numeric", TypeFamily::numeric, encode_numeric_binary, encode_numeric_text},
    {oids::kUuid, "uuid", TypeFamily::text, encode_uuid_binary, encode_text},
    {oids::kJsonb, "jsonb", TypeFamily::json, encode_jsonb_binary, encode_json},
});
// The OIDs of extension types differ from database to database.
constexpr auto kByName = std::to_array<TypeEntry>({
    {0, "citext", TypeFamily::text, encode_text, encode_text},
    {0, "hstore", TypeFamily::hstore, encode_hstore_binary, encode_hstore_text},
});
constexpr TypeEntry kEnum = {0, "enum", TypeFamily::text, encode_text, encode_text};
constexpr TypeEntry kArray = {0, "array", TypeFamily::array, encode_array_binary, encode_array_text};
constexpr TypeEntry kComposite = {0, "composite", TypeFamily::text, nullptr, encode_text, true};
constexpr TypeEntry kOther = {0, "other", TypeFamily::text, nullptr, encode_text, true};

const TypeEntry& find_entry(Oid oid, const TypeRow& row) {
  if (row.kind == 'e') {
    return kEnum;
  }
  if (row.kind == 'c') {
    return kComposite;
  }
  if (oid < oids::kFirstNormalObjectId) {
    const auto* entry = std::ranges::find(kBuiltIn, oid, &TypeEntry::oid);
    return entry == kBuiltIn.end() ? kOther : *entry;
  }
  const auto* entry = std::ranges::find(kByName, row.name, &TypeEntry::name);
  return row.kind != 'b' || entry == kByName.end() ? kOther : *entry;
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
    type.entry = &kArray;
    type.element = std::make_shared<const Type>(resolve_nested(rows, row->element, modifier, nesting + 1));
    type.delimiter = type_row(rows, row->element).delimiter;
  } else {
    type.entry = &find_entry(oid, *row);
  }
  return type;
}

}  // namespace

Type resolve(const TypeRows& rows, Oid oid, std::int32_t modifier) {
  return resolve_nested(rows, oid, modifier, 0);
}

bool has_binary(const Type& type) {
  return type.element ? has_binary(*type.element) : type.entry->binary != nullptr;
}

bool is_scalar(const Type& type) {
  switch (type.entry->family) {
    case TypeFamily::array:
    case TypeFamily::hstore:
    case TypeFamily::json:
    case TypeFamily::bit:
      return false;
    default:
      return type.entry != &kComposite;
  }
}

bool is_other(const Type& type) {
  if (type.element) {
    // The Python tap reads an array of any other type as an array of strings.
    return type.element->entry->oid == oids::kBytea;
  }
  return type.entry->is_other || (type.entry->family == TypeFamily::bit && type.modifier > 1);
}

}  // namespace tap::value
