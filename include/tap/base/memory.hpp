// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace tap {

/// Makes the C library return the memory of large rows to the system when it is freed. By default glibc keeps
/// blocks of up to 32 MiB once it has seen one of that size freed. Call before anything is allocated.
void return_large_memory();

}  // namespace tap
