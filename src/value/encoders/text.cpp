// SPDX-License-Identifier: Apache-2.0
// Types whose JSON is the server's text as a string.
#include <cstring>

#include "digits.hpp"
#include "encode_functions.hpp"
#include "value/column_context.hpp"

namespace tap::value {

void encode_text(const ColumnContext& /*column*/, std::string_view value, Buffer& out) {
  append_json_string(out, value);
}

void encode_bytea_binary(const ColumnContext& /*column*/, std::string_view value, Buffer& out) {
  constexpr std::string_view prefix = R"("\\x)";
  char* to = out.reserve(prefix.size() + 2 * value.size() + 1);
  std::memcpy(to, prefix.data(), prefix.size());
  to = write_hex(to + prefix.size(), value);
  *to++ = '"';
  out.commit(to);
}

void encode_output_text(const ColumnContext& column, std::string_view value, Buffer& out) {
  out.push('"');
  column.entry.output(column, value, out);
  out.push('"');
}

void encode_jsonpath_binary(const ColumnContext& column, std::string_view value, Buffer& out) {
  constexpr char version = 1;
  if (!value.starts_with(version)) {
    throw_invalid_value(column, value);
  }
  append_json_string(out, value.substr(1));
}

}  // namespace tap::value
