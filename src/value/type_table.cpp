// SPDX-License-Identifier: Apache-2.0
#include "type_table.hpp"

#include <algorithm>
#include <array>

#include <tap/value/type.hpp>

#include "value/encoders/encode_functions.hpp"
#include "value/output/output_functions.hpp"

namespace tap::value {

namespace {

// Built-in types (src/include/catalog/pg_type.dat). One that is missing here is kOther.
constexpr auto kBuiltIn = std::to_array<TypeEntry>({
    {oids::kBool, "bool", TypeFamily::boolean, encode_bool_binary, encode_bool_text},
    {oids::kBytea, "bytea", TypeFamily::text, encode_bytea_binary, encode_text, nullptr, true},
    {oids::kName, "name", TypeFamily::text, encode_text, encode_text, nullptr, true},
    {oids::kInt8, "int8", TypeFamily::int8, encode_int8_binary, encode_integer_text, encode_int8_binary},
    {oids::kInt2, "int2", TypeFamily::int2, encode_int2_binary, encode_integer_text, encode_int2_binary},
    {oids::kInt4, "int4", TypeFamily::int4, encode_int4_binary, encode_integer_text, encode_int4_binary},
    {oids::kText, "text", TypeFamily::text, encode_text, encode_text},
    {oids::kOid, "oid", TypeFamily::text, encode_output_text, encode_text, output_uint32, true},
    {oids::kTid, "tid", TypeFamily::text, encode_output_text, encode_text, output_tid, true},
    {oids::kXid, "xid", TypeFamily::text, encode_output_text, encode_text, output_uint32, true},
    {oids::kCid, "cid", TypeFamily::text, encode_output_text, encode_text, output_uint32, true},
    {oids::kJson, "json", TypeFamily::json, encode_json, encode_json},
    // xml_send() adds an encoding to the declaration unless the client's is UTF8, or SQL_ASCII.
    {oids::kXml, "xml", TypeFamily::text, encode_text, encode_text, nullptr, true},
    {oids::kPoint, "point", TypeFamily::text, encode_output_text, encode_text, output_point, true},
    {oids::kLseg, "lseg", TypeFamily::text, encode_output_text, encode_text, output_lseg, true},
    {oids::kPath, "path", TypeFamily::text, encode_output_text, encode_text, output_path, true},
    {oids::kBox, "box", TypeFamily::text, encode_output_text, encode_text, output_box, true},
    {oids::kPolygon, "polygon", TypeFamily::text, encode_output_text, encode_text, output_polygon, true},
    {oids::kLine, "line", TypeFamily::text, encode_output_text, encode_text, output_line, true},
    {oids::kCidr, "cidr", TypeFamily::text, encode_output_text, encode_text, output_inet},
    {oids::kFloat4, "float4", TypeFamily::floating, encode_float4_binary, encode_float4_text},
    {oids::kFloat8, "float8", TypeFamily::floating, encode_float8_binary, encode_float8_text, output_float8},
    {oids::kCircle, "circle", TypeFamily::text, encode_output_text, encode_text, output_circle, true},
    {oids::kMacaddr8, "macaddr8", TypeFamily::text, encode_output_text, encode_text, output_macaddr8, true},
    {oids::kMoney, "money", TypeFamily::text, nullptr, encode_text},  // its text depends on lc_monetary
    {oids::kMacaddr, "macaddr", TypeFamily::text, encode_output_text, encode_text, output_macaddr},
    {oids::kInet, "inet", TypeFamily::text, encode_output_text, encode_text, output_inet},
    {oids::kBpchar, "bpchar", TypeFamily::limited_text, encode_text, encode_text},
    {oids::kVarchar, "varchar", TypeFamily::limited_text, encode_text, encode_text},
    {oids::kDate, "date", TypeFamily::date_time, encode_date_binary, encode_date_text, output_date},
    {oids::kTime, "time", TypeFamily::text, encode_output_text, encode_time_text, output_time},
    {oids::kTimestamp, "timestamp", TypeFamily::date_time, encode_timestamp_binary, encode_timestamp_text,
     output_timestamp},
    {oids::kTimestamptz, "timestamptz", TypeFamily::date_time, encode_timestamptz_binary,
     encode_timestamptz_text, output_timestamptz},
    {oids::kInterval, "interval", TypeFamily::text, encode_output_text, encode_text, output_interval, true},
    {oids::kTimetz, "timetz", TypeFamily::text, encode_timetz_binary, encode_timetz_text, output_timetz},
    {oids::kBit, "bit", TypeFamily::bit, encode_bit_binary, encode_bit_text, output_bits},
    {oids::kVarbit, "varbit", TypeFamily::text, encode_output_text, encode_text, output_bits, true},
    {oids::kNumeric, "numeric", TypeFamily::numeric, encode_numeric_binary, encode_numeric_text,
     output_numeric},
    {oids::kRefcursor, "refcursor", TypeFamily::text, encode_text, encode_text, nullptr, true},
    {oids::kUuid, "uuid", TypeFamily::text, encode_output_text, encode_text, output_uuid},
    {oids::kTxidSnapshot, "txid_snapshot", TypeFamily::text, encode_output_text, encode_text, output_snapshot,
     true},
    {oids::kLsn, "pg_lsn", TypeFamily::text, encode_output_text, encode_text, output_lsn, true},
    {oids::kTsvector, "tsvector", TypeFamily::text, encode_tsvector_binary, encode_text, nullptr, true},
    {oids::kJsonb, "jsonb", TypeFamily::json, encode_jsonb_binary, encode_json},
    {oids::kJsonpath, "jsonpath", TypeFamily::text, encode_jsonpath_binary, encode_text, nullptr, true},
    {oids::kSnapshot, "pg_snapshot", TypeFamily::text, encode_output_text, encode_text, output_snapshot,
     true},
    {oids::kXid8, "xid8", TypeFamily::text, encode_output_text, encode_text, output_uint64, true},
});
// The OIDs of extension types differ from database to database.
constexpr auto kByName = std::to_array<TypeEntry>({
    {0, "citext", TypeFamily::text, encode_text, encode_text},
    {0, "hstore", TypeFamily::hstore, encode_hstore_binary, encode_hstore_text},
});
constexpr TypeEntry kEnum = {0, "enum", TypeFamily::text, encode_text, encode_text};
constexpr TypeEntry kArray = {0, "array", TypeFamily::array, encode_array_binary, encode_array_text};
constexpr TypeEntry kComposite = {0, "composite", TypeFamily::text, nullptr, encode_text, nullptr, true};
// Ranges of types with an output function. In others, as ranges of text, the server's locale decides which
// bounds are quoted.
constexpr TypeEntry kRange = {0, "range", TypeFamily::text, encode_range_binary, encode_text, nullptr, true};
constexpr TypeEntry kMultirange = {
    0, "multirange", TypeFamily::text, encode_multirange_binary, encode_text, nullptr, true};
constexpr TypeEntry kOther = {0, "other", TypeFamily::text, nullptr, encode_text, nullptr, true};

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
  type.server_version = row->server_version;
  if (row->is_array) {
    if (nesting >= kMaxTypeNesting) {
      throw_nested_type(*row);
    }
    type.entry = &kArray;
    type.element = std::make_shared<const Type>(resolve_nested(rows, row->element, modifier, nesting + 1));
    type.delimiter = type_row(rows, row->element).delimiter;
    return type;
  }
  if (row->subtype != 0) {
    if (nesting >= kMaxTypeNesting) {
      throw_nested_type(*row);
    }
    const TypeEntry* const bound = resolve_nested(rows, row->subtype, -1, nesting + 1).entry;
    if (bound->output != nullptr) {
      type.bound = bound;
      type.entry = row->kind == 'm' ? &kMultirange : &kRange;
      return type;
    }
  }
  type.entry = &find_entry(oid, *row);
  return type;
}

}  // namespace

Type resolve(const TypeRows& rows, Oid oid, std::int32_t modifier) {
  return resolve_nested(rows, oid, modifier, 0);
}

bool has_binary(const Type& type) {
  return type.element ? has_binary(*type.element) : type.entry->binary != nullptr;
}

bool is_sent_as_text(const Type& type) {
  return !has_binary(type) || type.entry->binary == encode_text;
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
