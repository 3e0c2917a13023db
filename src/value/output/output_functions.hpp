// SPDX-License-Identifier: Apache-2.0
#pragma once

// The output functions of the table of types: from a value in the binary format, each appends the text that
// the type's output function on the server prints under the session settings that every connection sets. The
// text is ASCII without quotes and backslashes: it is the content of a JSON string unchanged. Signature and
// errors are those of EncodeFunction. Functions for types that have encoders of their own are in the file of
// those.

#include <string_view>

#include <tap/base/buffer.hpp>
#include <tap/value/encoder.hpp>

namespace tap::value {

// bits.cpp
void output_bits(const ColumnContext& column, std::string_view value, Buffer& out);

// encoders/date.cpp
void output_date(const ColumnContext& column, std::string_view value, Buffer& out);
void output_timestamp(const ColumnContext& column, std::string_view value, Buffer& out);
void output_timestamptz(const ColumnContext& column, std::string_view value, Buffer& out);

// encoders/numeric.cpp
void output_numeric(const ColumnContext& column, std::string_view value, Buffer& out);

// encoders/time.cpp
void output_time(const ColumnContext& column, std::string_view value, Buffer& out);
void output_timetz(const ColumnContext& column, std::string_view value, Buffer& out);

// float_text.cpp
void output_float8(const ColumnContext& column, std::string_view value, Buffer& out);

// geometry.cpp
void output_point(const ColumnContext& column, std::string_view value, Buffer& out);
void output_lseg(const ColumnContext& column, std::string_view value, Buffer& out);
void output_path(const ColumnContext& column, std::string_view value, Buffer& out);
void output_box(const ColumnContext& column, std::string_view value, Buffer& out);
void output_polygon(const ColumnContext& column, std::string_view value, Buffer& out);
void output_line(const ColumnContext& column, std::string_view value, Buffer& out);
void output_circle(const ColumnContext& column, std::string_view value, Buffer& out);

// identifiers.cpp
void output_uint32(const ColumnContext& column, std::string_view value, Buffer& out);
void output_uint64(const ColumnContext& column, std::string_view value, Buffer& out);
void output_tid(const ColumnContext& column, std::string_view value, Buffer& out);
void output_lsn(const ColumnContext& column, std::string_view value, Buffer& out);
void output_snapshot(const ColumnContext& column, std::string_view value, Buffer& out);
void output_uuid(const ColumnContext& column, std::string_view value, Buffer& out);

// interval.cpp
void output_interval(const ColumnContext& column, std::string_view value, Buffer& out);

// network.cpp
void output_inet(const ColumnContext& column, std::string_view value, Buffer& out);
void output_macaddr(const ColumnContext& column, std::string_view value, Buffer& out);
void output_macaddr8(const ColumnContext& column, std::string_view value, Buffer& out);

}  // namespace tap::value
