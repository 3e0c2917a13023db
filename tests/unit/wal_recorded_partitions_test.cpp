// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"
#include "sync/wal/records/recorded_partitions.hpp"

using namespace tap;
using namespace tap::sync;

namespace {

pg::Relation table(std::vector<Oid> partitions, pg::RelationKind kind = pg::RelationKind::table) {
  pg::Relation made;
  made.oid = 7;
  made.kind = kind;
  for (const Oid oid : partitions) {
    pg::Partition partition;
    partition.oid = oid;
    made.partitions.push_back(partition);
  }
  return made;
}

}  // namespace

TEST_CASE("the partitions of a bookmark are all but the table itself") {
  CHECK(to_text(partition_oids(table({7}))) == "[]");
  CHECK(to_text(partition_oids(table({7, 8, 9}))) == "[8,9]");
}

TEST_CASE("the next transaction ID is needed for partitioned tables and for child tables") {
  CHECK_FALSE(needs_next_transaction_id(table({7}), Json::array()));
  CHECK(needs_next_transaction_id(table({7, 8}), Json::array({8})));
  CHECK(needs_next_transaction_id(table({}, pg::RelationKind::partitioned), Json::array()));
}

TEST_CASE("a bookmark records partitions, and the transaction ID only while it is known") {
  Json bookmark = {{"lsn", 1}};
  record_partitions(bookmark, Json::array({8, 9}), 1234);
  CHECK(to_text(bookmark) == R"({"lsn":1,"partitions":[8,9],"partitions_xid":1234})");
  record_partitions(bookmark, Json::array(), std::nullopt);
  CHECK(to_text(bookmark) == R"({"lsn":1,"partitions":[]})");
}
