// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

namespace tap {

/// Growing run of bytes that output is appended to. Its memory is kept when it is cleared, so that a row
/// costs no allocation once the buffer has held one of its size.
class Buffer {
 public:
  /// Bytes that a buffer may keep between two uses.
  static constexpr std::size_t kMostKept = std::size_t{1} << 20U;

  /// Room for `size` more bytes. Write there, then commit() the end of what was written. The pointer is good
  /// until the next call.
  char* reserve(std::size_t size) {
    if (capacity_ - size_ < size) {
      grow(size);
    }
    return data_.get() + size_;
  }
  void commit(const char* end) { size_ = static_cast<std::size_t>(end - data_.get()); }

  void append(std::string_view text) {
    char* to = reserve(text.size());
    if (!text.empty()) {
      std::memcpy(to, text.data(), text.size());
    }
    size_ += text.size();
  }
  void push(char byte) {
    *reserve(1) = byte;
    ++size_;
  }

  [[nodiscard]] std::string_view view() const { return {data_.get(), size_}; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  void clear() { size_ = 0; }
  /// Forgets what was appended after the buffer had `size` bytes.
  void truncate(std::size_t size) { size_ = size; }

  /// Gives memory beyond `capacity` bytes back; what the buffer holds is lost.
  void shrink(std::size_t capacity);
  /// Clears it, and gives the memory of something very large back.
  void clear_large() { shrink(kMostKept); }

 private:
  struct Free {
    void operator()(char* data) const { std::free(data); }
  };

  void grow(std::size_t size);

  std::unique_ptr<char, Free> data_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace tap
