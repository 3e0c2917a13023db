// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <tap/base/buffer.hpp>
#include <tap/base/cursor.hpp>
#include <tap/base/json.hpp>
#include <tap/value/encoder.hpp>
#include <tap/value/options.hpp>

#include "kinds.hpp"

namespace tap::value {

/// What an encode function knows of the column whose values it encodes.
struct Column {
  std::string name;
  const Kind& kind;
  Wire wire;
  EncodingOptions options;
  std::unique_ptr<const Encoder> element;  ///< for arrays
  char delimiter;                          ///< for arrays: between the elements in the text form
  mutable Buffer scratch;  ///< for arrays: an element's text without its escapes; for json: its open brackets
  mutable bool warned = false;  ///< that a date had to be changed
};

/// Throws StreamError: `value` is not what the column's type sends.
[[noreturn]] void malformed(const Column& column, std::string_view value);

inline void require_size(const Column& column, std::string_view value, std::size_t size) {
  if (value.size() != size) {
    malformed(column, value);
  }
}

/// A value behind its length, as it stands in arrays and hstore; nothing for NULL, whose length is -1.
inline std::optional<std::string_view> read_sized(const Column& column, std::string_view value,
                                                  Cursor& from) {
  if (from.left() < sizeof(std::int32_t)) {
    malformed(column, value);
  }
  const std::int32_t size = from.i32();
  if (size == -1) {
    return std::nullopt;
  }
  if (size < 0 || from.left() < static_cast<std::size_t>(size)) {
    malformed(column, value);
  }
  return from.bytes(static_cast<std::size_t>(size));
}

/// JSON has no number for NaN and the infinities.
inline void write_non_finite(const Column& column, std::string_view name, Buffer& out) {
  if (column.options.non_finite_numbers == EncodingOptions::NonFinite::string) {
    append_json_string(out, name);
  } else {
    out.append("null");
  }
}

}  // namespace tap::value
