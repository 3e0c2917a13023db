// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>

#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <tap/base/memory.hpp>

namespace tap {

void return_large_memory() {
#ifdef __GLIBC__
  constexpr int large = 4 << 20;  // mapping such a block costs less than filling it
  mallopt(M_MMAP_THRESHOLD, large);
  mallopt(M_TRIM_THRESHOLD, large);
#endif
}

}  // namespace tap
