// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <tap/base/allocator.hpp>

namespace tap {

void configure_allocator() {
#ifdef __GLIBC__
  constexpr int large = 4 << 20;  // the cost of mapping such a block is small next to filling it
  mallopt(M_MMAP_THRESHOLD, large);
  mallopt(M_TRIM_THRESHOLD, large);
#endif
}

}  // namespace tap
