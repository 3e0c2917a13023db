// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace tap {

/// Makes the C library return the memory of a large row to the system when the row is freed. By default glibc
/// keeps blocks of up to 32 MiB once one of that size has been freed. Call at the start of main().
void configure_allocator();

}  // namespace tap
