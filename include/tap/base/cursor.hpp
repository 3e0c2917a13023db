// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace tap {

/// Reads big-endian values from the bytes of a server message. Does not own the bytes. Each read throws
/// MalformedAnswer if it would go past the end.
class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  std::uint8_t u8() { return static_cast<std::uint8_t>(*take(1)); }
  std::uint16_t u16() { return read<std::uint16_t>(); }
  std::uint32_t u32() { return read<std::uint32_t>(); }
  std::uint64_t u64() { return read<std::uint64_t>(); }
  std::int16_t i16() { return static_cast<std::int16_t>(u16()); }
  std::int32_t i32() { return static_cast<std::int32_t>(u32()); }
  std::int64_t i64() { return static_cast<std::int64_t>(u64()); }

  std::string_view bytes(std::size_t size) { return {take(size), size}; }
  /// Reads a zero-terminated string and returns it without the zero byte.
  std::string_view c_string() {
    const std::string_view all(at_, left());
    const std::string_view text = bytes(std::min(all.find('\0'), all.size()));
    take(1);
    return text;
  }
  /// Returns all remaining bytes.
  std::string_view rest() { return bytes(left()); }

  [[nodiscard]] std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }
  [[nodiscard]] bool at_end() const { return at_ == end_; }

 private:
  const char* take(std::size_t size) {
    if (left() < size) {
      underflow(size);
    }
    const char* from = at_;
    at_ += size;
    return from;
  }

  template <class T>
  T read() {
    const auto* from = reinterpret_cast<const unsigned char*>(take(sizeof(T)));
    T value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) {  // compiles to one load and one byte swap
      value = static_cast<T>(static_cast<T>(value << 8U) | from[i]);
    }
    return value;
  }

  [[noreturn]] void underflow(std::size_t wanted) const;

  const char* at_;
  const char* end_;
};

}  // namespace tap
