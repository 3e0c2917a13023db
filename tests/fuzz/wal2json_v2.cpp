// SPDX-License-Identifier: Apache-2.0
// Messages of wal2json's format 2, see decode_wal2json().
#include "decoders.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tap::fuzz::decode_wal2json(&tap::change::make_wal2json_v2_decoder, tap::fuzz::view_of(data, size));
  return 0;
}
