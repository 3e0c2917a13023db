// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
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

#include "type_table.hpp"

namespace tap::value {

/// The column whose values an encode function encodes. Belongs to one Encoder.
struct ColumnContext {
  std::string name;
  const TypeEntry& entry;
  Format format;
  EncodingOptions options;
  int server_version;                      ///< as TypeRow::server_version
  std::unique_ptr<const Encoder> element;  ///< of arrays
  char delimiter;                          ///< of arrays: between the elements in the text format
  EncodeFunction output_bound;             ///< of ranges and multiranges: the output function of a bound
  mutable Buffer scratch;                  ///< for one piece of a value, such as a range's bound
  /// A changed date has been logged. Shared with the encoders of other threads.
  std::shared_ptr<std::atomic_flag> warned;
};

/// Throws InvalidValue: `value` is not a value of the column's type and format.
[[noreturn]] void throw_invalid_value(const ColumnContext& column, std::string_view value);

/// Throws InvalidValue unless `value` has `size` bytes.
inline void require_size(const ColumnContext& column, std::string_view value, std::size_t size) {
  if (value.size() != size) {
    throw_invalid_value(column, value);
  }
}

/// Reads a value that follows its length (int32), as in arrays and hstore; nullopt for NULL, whose length is
/// -1. `value` is the whole, for the InvalidValue that is thrown if it ends early.
inline std::optional<std::string_view> read_length_prefixed(const ColumnContext& column,
                                                            std::string_view value, Cursor& from) {
  if (from.left() < sizeof(std::int32_t)) {
    throw_invalid_value(column, value);
  }
  const std::int32_t size = from.i32();
  if (size == -1) {
    return std::nullopt;
  }
  if (size < 0 || from.left() < static_cast<std::size_t>(size)) {
    throw_invalid_value(column, value);
  }
  return from.bytes(static_cast<std::size_t>(size));
}

/// Writes NaN or an infinity, for which JSON has no number, as non_finite_numbers says.
inline void write_non_finite(const ColumnContext& column, std::string_view name, Buffer& out) {
  if (column.options.non_finite_numbers == EncodingOptions::NonFinite::string) {
    append_json_string(out, name);
  } else {
    out.append("null");
  }
}

}  // namespace tap::value
