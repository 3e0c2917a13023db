// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <new>

#include <tap/base/buffer.hpp>

namespace tap {

namespace {

[[maybe_unused]] constexpr std::size_t kFirstCapacity = 4096;

}  // namespace

void Buffer::grow(std::size_t size) {
#ifdef TAP_FUZZ
  const std::size_t capacity = size_ + size;  // AddressSanitizer finds what is written beyond it
#else
  const std::size_t capacity = std::max({kFirstCapacity, size_ + size, capacity_ + capacity_ / 2});
#endif
  // realloc() moves large blocks by remapping pages, so a 100 MB value is never in memory twice.
  char* data = static_cast<char*>(std::realloc(data_.get(), capacity));
  if (data == nullptr) {
    throw std::bad_alloc();
  }
  (void)data_.release();
  data_.reset(data);
  capacity_ = capacity;
}

void Buffer::shrink(std::size_t capacity) {
  size_ = 0;
  if (capacity_ > capacity) {
    data_.reset();
    capacity_ = 0;
  }
}

}  // namespace tap
