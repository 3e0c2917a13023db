// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

namespace tap {

/// A growing byte buffer for output. Keeps its memory when it is cleared, so that a row allocates nothing
/// once a row of that size has been written.
class Buffer {
 public:
  /// The capacity in bytes above which clear_large() frees the memory.
  static constexpr std::size_t kMaxRetained = std::size_t{1} << 20U;

  /// Returns a pointer to at least `size` writable bytes after the contents, valid until the next call of a
  /// non-const member. Write there, then commit() the end of the written bytes. Throws std::bad_alloc.
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
  /// Drops all but the first `size` bytes, which the buffer must have.
  void truncate(std::size_t size) { size_ = size; }

  /// Clears the buffer, and frees its memory if that is more than `capacity` bytes.
  void shrink(std::size_t capacity);
  /// Clears the buffer, and frees its memory if that is more than kMaxRetained bytes.
  void clear_large() { shrink(kMaxRetained); }

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
