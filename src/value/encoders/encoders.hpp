// SPDX-License-Identifier: Apache-2.0
#pragma once

// The encode functions that the table of types names, each type's two side by side in one file. Types whose
// binary and text forms are the same bytes have one.

#include <string_view>

#include <tap/base/buffer.hpp>
#include <tap/value/encoder.hpp>

namespace tap::value {

// number.cpp
void int2_binary(const Column& column, std::string_view value, Buffer& out);
void int4_binary(const Column& column, std::string_view value, Buffer& out);
void int8_binary(const Column& column, std::string_view value, Buffer& out);
void integer_text(const Column& column, std::string_view value, Buffer& out);
void float4_binary(const Column& column, std::string_view value, Buffer& out);
void float4_text(const Column& column, std::string_view value, Buffer& out);
void float8_binary(const Column& column, std::string_view value, Buffer& out);
void float8_text(const Column& column, std::string_view value, Buffer& out);
void bool_binary(const Column& column, std::string_view value, Buffer& out);
void bool_text(const Column& column, std::string_view value, Buffer& out);
void bit_text(const Column& column, std::string_view value, Buffer& out);

// numeric.cpp
void numeric_binary(const Column& column, std::string_view value, Buffer& out);
void numeric_text(const Column& column, std::string_view value, Buffer& out);

// text.cpp
void text(const Column& column, std::string_view value, Buffer& out);
void bytea_binary(const Column& column, std::string_view value, Buffer& out);
void uuid_binary(const Column& column, std::string_view value, Buffer& out);

// json.cpp
void json(const Column& column, std::string_view value, Buffer& out);
void jsonb_binary(const Column& column, std::string_view value, Buffer& out);

// date.cpp
void date_binary(const Column& column, std::string_view value, Buffer& out);
void date_text(const Column& column, std::string_view value, Buffer& out);
void timestamp_binary(const Column& column, std::string_view value, Buffer& out);
void timestamp_text(const Column& column, std::string_view value, Buffer& out);
void timestamptz_binary(const Column& column, std::string_view value, Buffer& out);
void timestamptz_text(const Column& column, std::string_view value, Buffer& out);

// time.cpp
void time_binary(const Column& column, std::string_view value, Buffer& out);
void time_text(const Column& column, std::string_view value, Buffer& out);
void timetz_binary(const Column& column, std::string_view value, Buffer& out);
void timetz_text(const Column& column, std::string_view value, Buffer& out);

// hstore.cpp
void hstore_binary(const Column& column, std::string_view value, Buffer& out);
void hstore_text(const Column& column, std::string_view value, Buffer& out);

// array.cpp
void array_binary(const Column& column, std::string_view value, Buffer& out);
void array_text(const Column& column, std::string_view value, Buffer& out);

}  // namespace tap::value
