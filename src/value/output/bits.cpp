// SPDX-License-Identifier: Apache-2.0
// bit and varbit: varbit_send() and varbit_out() of src/backend/utils/adt/varbit.c.
#include <cstdint>

#include <tap/base/cursor.hpp>

#include "output_functions.hpp"
#include "value/column_context.hpp"

namespace tap::value {

void output_bits(const ColumnContext& column, std::string_view value, Buffer& out) {
  if (value.size() < sizeof(std::int32_t)) {
    throw_invalid_value(column, value);
  }
  Cursor from(value);
  const std::int64_t count = from.i32();
  if (count < 0 || from.left() != static_cast<std::size_t>((count + 7) / 8)) {
    throw_invalid_value(column, value);
  }
  // A whole byte is written as eight digits; the last byte's unused bits are then dropped.
  char* to = out.reserve(8 * from.left());
  char* const end = to + count;
  while (to < end) {
    const unsigned byte = from.u8();
    for (unsigned bit = 0x80; bit != 0; bit >>= 1U) {
      *to++ = (byte & bit) != 0 ? '1' : '0';
    }
  }
  out.commit(end);
}

}  // namespace tap::value
