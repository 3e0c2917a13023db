// SPDX-License-Identifier: Apache-2.0
#include "sync/wal/records/txid_snapshot.hpp"

#include "catch.hpp"

using namespace tap;
using namespace tap::sync;

TEST_CASE("a snapshot contains the transactions that had ended") {
  const TxidSnapshot seen("1000:1010:1003,1007");
  CHECK(seen.contains("999"));
  CHECK(seen.contains("1009"));
  CHECK_FALSE(seen.contains("1003"));
  CHECK_FALSE(seen.contains("1007"));
  CHECK_FALSE(seen.contains("1010"));
  CHECK_FALSE(seen.contains("2000"));
  CHECK_FALSE(seen.contains(""));
  CHECK_FALSE(seen.contains("12x"));
  CHECK(TxidSnapshot("5:5:").contains("4"));
}

TEST_CASE("transaction IDs without epoch are compared within the epoch of the snapshot") {
  const TxidSnapshot seen("12884901880:12884901900:12884901884");  // 3 << 32 is 12884901888
  CHECK(seen.contains("4294967295"));
  CHECK(seen.contains("4294967288"));
  CHECK_FALSE(seen.contains("4294967292"));
  CHECK(seen.contains("11"));
  CHECK_FALSE(seen.contains("12"));
}

TEST_CASE("a malformed snapshot is refused") {
  CHECK_THROWS_WITH(TxidSnapshot("x"), "the server sent a malformed transaction snapshot, at \"x\"");
}
