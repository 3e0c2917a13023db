// SPDX-License-Identifier: Apache-2.0
#pragma once

// The encode functions of the table of types: one for each type and format, those of a type in one file.
// Types whose binary and text formats are the same bytes have one. Contract: EncodeFunction and
// Encoder::operator().

#include <string_view>

#include <tap/base/buffer.hpp>
#include <tap/value/encoder.hpp>

namespace tap::value {

// number.cpp
void encode_int2_binary(const ColumnContext& column, std::string_view value, Buffer& out);
void encode_int4_binary(const ColumnContext& column, std::string_view value, Buffer& out);
void encode_int8_binary(const ColumnContext& column, std::string_view value, Buffer& out);
void encode_integer_text(const ColumnContext& column, std::string_view value, Buffer& out);
void encode_float4_binary(const ColumnContext& column, std::string_view value, Buffer& out);
void encode_float4_text(const ColumnContext& column, std::string_view value, Buffer& out);
void encode_float8_binary(const ColumnContext& column, std::string_view value, Buffer& out);
void encode_float8_text(const ColumnContext& column, std::string_view value, Buffer& out);
void encode_bool_binary(const ColumnContext& column, std::string_view value, Buffer& out);
void encode_bool_text(const ColumnContext& column, std::string_view value, Buffer& out);
void encode_bit_binary(const ColumnContext& column, std::string_view value, Buffer& out);
void encode_bit_text(const ColumnContext& column, std::string_view value, Buffer& out);

// numeric.cpp
void encode_numeric_binary(const ColumnContext& column, std::string_view value, Buffer& out);
void encode_numeric_text(const ColumnContext& column, std::string_view value, Buffer& out);

// text.cpp
void encode_text(const ColumnContext& column, std::string_view value, Buffer& out);
void encode_bytea_binary(const ColumnContext& column, std::string_view value, Buffer& out);
/// The JSON string of TypeEntry::output, for types that have it.
void encode_output_text(const ColumnContext& column, std::string_view value, Buffer& out);
void encode_jsonpath_binary(const ColumnContext& column, std::string_view value, Buffer& out);

// range.cpp
void encode_range_binary(const ColumnContext& column, std::string_view value, Buffer& out);
void encode_multirange_binary(const ColumnContext& column, std::string_view value, Buffer& out);

// tsvector.cpp
void encode_tsvector_binary(const ColumnContext& column, std::string_view value, Buffer& out);

// json.cpp
void encode_json(const ColumnContext& column, std::string_view value, Buffer& out);
void encode_jsonb_binary(const ColumnContext& column, std::string_view value, Buffer& out);

// date.cpp
void encode_date_binary(const ColumnContext& column, std::string_view value, Buffer& out);
void encode_date_text(const ColumnContext& column, std::string_view value, Buffer& out);
void encode_timestamp_binary(const ColumnContext& column, std::string_view value, Buffer& out);
void encode_timestamp_text(const ColumnContext& column, std::string_view value, Buffer& out);
void encode_timestamptz_binary(const ColumnContext& column, std::string_view value, Buffer& out);
void encode_timestamptz_text(const ColumnContext& column, std::string_view value, Buffer& out);

// time.cpp
void encode_time_text(const ColumnContext& column, std::string_view value, Buffer& out);
void encode_timetz_binary(const ColumnContext& column, std::string_view value, Buffer& out);
void encode_timetz_text(const ColumnContext& column, std::string_view value, Buffer& out);

// hstore.cpp
void encode_hstore_binary(const ColumnContext& column, std::string_view value, Buffer& out);
void encode_hstore_text(const ColumnContext& column, std::string_view value, Buffer& out);

// array.cpp
void encode_array_binary(const ColumnContext& column, std::string_view value, Buffer& out);
void encode_array_text(const ColumnContext& column, std::string_view value, Buffer& out);

}  // namespace tap::value
