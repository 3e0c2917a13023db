// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"
#include "sync/bookmark.hpp"
#include "sync/copy/position.hpp"
#include "sync/wal/records/txid_snapshot.hpp"

using namespace tap;
using namespace tap::sync;

namespace {

constexpr const char* kCopy =
    R"j({"snapshot":"5000:5007:5003","snapshot_lsn":900,"system":"77","timeline":3,)j"
    R"j("columns":{"a":2,"id":1},"leaf":11,"relfilenode":111,"position":"(12,3)","done":[7,9]})j";

const pg::ServerVersion k94(90400);

CopyPosition position() {
  return *read_position(parse_json(kCopy, "test"));
}

pg::Partition partition(Oid oid, Oid relfilenode) {
  return {oid, "\"s\".\"t\"", true, relfilenode};
}

pg::Relation relation() {
  pg::Relation relation;
  relation.partitions = {partition(7, 107), partition(9, 109), partition(11, 111), partition(13, 113)};
  return relation;
}

}  // namespace

TEST_CASE("a copy's position is kept in the bookmark and read back") {
  CHECK(to_text(to_json(position())) == kCopy);
  CHECK(position().is_done(9));
  CHECK_FALSE(position().is_done(11));
  const std::string first =
      R"j({"snapshot":"5:5:","columns":{},"leaf":1,"relfilenode":2,"position":"(0,1)"})j";
  CHECK(to_text(to_json(*read_position(parse_json(first, "test")))) == first);
}

TEST_CASE("what is not a position is none") {
  for (const char* copy :
       {"5", "{}", R"j({"snapshot":"x","leaf":1,"relfilenode":2,"position":"(0,1)"})j",
        R"j({"snapshot":"5:5:","leaf":1,"relfilenode":2,"position":"0,1"})j",
        R"j({"snapshot":"5:5:","leaf":1,"relfilenode":2,"position":"(0,99999)"})j",
        R"j({"snapshot":"5:5:","leaf":-1,"relfilenode":2,"position":"(0,1)"})j",
        R"j({"snapshot":"5:5:","leaf":1,"relfilenode":2,"position":"(0,1)","done":["x"]})j",
        R"j({"snapshot":"5:5:1,x","leaf":1,"relfilenode":2,"position":"(0,1)"})j",
        R"j({"snapshot":"5:5:","columns":["a"],"leaf":1,"relfilenode":2,"position":"(0,1)"})j",
        R"j({"snapshot":"5:5:","columns":{"a":"x"},"leaf":1,"relfilenode":2,"position":"(0,1)"})j"}) {
    CAPTURE(copy);
    CHECK_FALSE(read_position(parse_json(copy, "test")).has_value());
  }
}

TEST_CASE(
    "of a partition that is done its changes are to come, of the one in work what follows too, of the others "
    "all") {
  const std::string since =
      "pg_catalog.age(xmin) OPERATOR(pg_catalog.<=) pg_catalog.age('5000'::pg_catalog.xid)";
  CHECK(rows_to_come(position(), partition(7, 107), k94) == since);
  CHECK(rows_to_come(position(), partition(11, 111), k94) ==
        "ctid OPERATOR(pg_catalog.>) '(12,3)'::pg_catalog.tid OR " + since);
  CHECK(rows_to_come(position(), partition(13, 113), k94).empty());
}

TEST_CASE("before 9.4 a frozen row may have been written since") {
  const std::string since =
      "pg_catalog.age(xmin) OPERATOR(pg_catalog.<=) pg_catalog.age('5000'::pg_catalog.xid) OR xmin "
      "OPERATOR(pg_catalog.=) '2'::pg_catalog.xid";
  const pg::ServerVersion before(90326);
  CHECK(rows_to_come(position(), partition(7, 107), before) == since);
  CHECK(rows_to_come(position(), partition(11, 111), before) ==
        "ctid OPERATOR(pg_catalog.>) '(12,3)'::pg_catalog.tid OR " + since);
  CHECK(written_since(5000, before) == since);
}

TEST_CASE("transaction IDs lose their epoch where rows are compared") {
  auto late = position();
  late.origin.snapshot = "4294967301:4294967301:";
  CHECK(rows_to_come(late, partition(7, 107), k94) ==
        "pg_catalog.age(xmin) OPERATOR(pg_catalog.<=) pg_catalog.age('5'::pg_catalog.xid)");
}

TEST_CASE("a copy resumes only in the same file and history") {
  const auto obstacle = [](const CopyPosition& from, const pg::Relation& to, const SnapshotOrigin& now) {
    return obstacle_to_resume(from, to, now, from.columns);
  };
  const auto at = [](const std::string& snapshot) {
    return SnapshotOrigin{.snapshot = snapshot, .lsn = std::nullopt, .system = "77", .timeline = 3};
  };
  CHECK(obstacle(position(), relation(), at("6000:6000:")).empty());

  auto rewritten = relation();
  rewritten.partitions[2].relfilenode = 999;
  CHECK(obstacle(position(), rewritten, at("6000:6000:")) ==
        "the table has been rewritten (VACUUM FULL, CLUSTER, TRUNCATE or ALTER TABLE)");

  auto gone = relation();
  gone.partitions.erase(gone.partitions.begin() + 2);
  CHECK(obstacle(position(), gone, at("6000:6000:")) == "the part of the table that it had come to is gone");

  CHECK(obstacle(position(), relation(), at("4000:4000:")) ==
        "the server is behind the one that the copy began on, or has another history");
  auto other = at("6000:6000:");
  other.timeline = 4;
  CHECK(obstacle(position(), relation(), other) == "the server has another history");
  other = at("6000:6000:");
  other.system = "78";
  CHECK(obstacle(position(), relation(), other) == "the server has another history");
  auto early = position();
  early.columns.clear();
  CHECK(obstacle(early, relation(), at("6000:6000:")) == "an earlier version of tap-postgres began it");
}

TEST_CASE("transaction IDs must be comparable to the newest one, not to the oldest that runs") {
  const SnapshotOrigin now{
      .snapshot = "5000:2000005000:5003", .lsn = std::nullopt, .system = "", .timeline = 0};
  CHECK(obstacle_to_resume(position(), relation(), now, position().columns) ==
        "it is too many transactions ago");
}

TEST_CASE("a copy resumes only with the same columns") {
  const SnapshotOrigin now{.snapshot = "6000:6000:", .lsn = std::nullopt, .system = "", .timeline = 0};
  const auto obstacle = [&](const std::map<std::string, int>& columns) {
    return obstacle_to_resume(position(), relation(), now, columns);
  };
  CHECK(obstacle({{"id", 1}, {"a", 2}}).empty());
  CHECK(obstacle({{"id", 1}, {"a", 2}, {"b", 3}, {"c", 4}}) == "it did not have all columns (b, c)");
  CHECK(obstacle({{"id", 1}}) == "it had more columns (a)");
  CHECK(obstacle({{"id", 1}, {"a", 3}}) == "it did not have all columns (a)");  // dropped and added again
}

TEST_CASE("a position behind a page's header is the page's start") {
  const auto rounded = [](std::uint64_t position, std::uint64_t page_size = 8192) {
    constexpr std::uint64_t file = 0x1000000;
    return without_page_header(Lsn{position}, position % file, page_size).value;
  };
  CHECK(rounded(0x3000028) == 0x3000000);
  CHECK(rounded(0x3002018) == 0x3002000);
  CHECK(rounded(0x3002028) == 0x3002028);  // a record ends 16 bytes behind the header
  CHECK(rounded(0x3000030) == 0x3000030);
  CHECK(rounded(0x3002020) == 0x3002020);
  CHECK(rounded(0x3002000) == 0x3002000);
  CHECK(rounded(0x3002018, 16384) == 0x3002018);
}

TEST_CASE("a snapshot is as new as another one if it sees all that the other one does") {
  const auto is_as_new_as = [](const std::string& now, const std::string& from, std::uint64_t now_lsn = 0,
                               std::uint64_t from_lsn = 0) {
    const auto origin = [](const std::string& snapshot, std::uint64_t lsn) {
      return SnapshotOrigin{.snapshot = snapshot,
                            .lsn = lsn == 0 ? std::nullopt : std::optional(Lsn{lsn}),
                            .system = "",
                            .timeline = 0};
    };
    return is_as_new(origin(now, now_lsn), origin(from, from_lsn));
  };
  CHECK(is_as_new_as("100:105:100,103", "100:105:100,103"));
  CHECK(is_as_new_as("100:110:100,107", "100:105:100,103"));
  CHECK_FALSE(is_as_new_as("100:110:100,101", "100:105:100,103"));  // 101 had ended
  CHECK_FALSE(is_as_new_as("100:104:100,103", "100:105:100,103"));
  CHECK(is_as_new_as("105:110:108", "100:105:"));
  // A standby's snapshot does not tell which transactions are running.
  CHECK_FALSE(is_as_new_as("100:105:", "100:105:"));
  CHECK_FALSE(is_as_new_as("100:105:", "100:105:", 7, 8));
  CHECK(is_as_new_as("100:105:", "100:105:", 8, 8));
  CHECK(is_as_new_as("100:107:", "100:105:100,103", 8, 8));
  CHECK_FALSE(is_as_new_as("100:107:100", "100:105:", 9, 8));  // a primary; perhaps the standby had seen 100
}

TEST_CASE("a bookmark's value is read as the server reads it") {
  const auto text = [](const std::string& value) {
    return bookmark_text(parse_json(R"({"replication_key_value": )" + value + "}", "test"));
  };
  CHECK(text(R"("it's")") == "it's");
  CHECK(text("12345678901234567890.12345") == "12345678901234567890.12345");
  CHECK(text("0") == "0");
  CHECK(text(R"("")")->empty());
  CHECK(text("false") == "false");
  CHECK_FALSE(text("null").has_value());
  CHECK_FALSE(bookmark_text(Json::object()).has_value());
}

TEST_CASE("a lookback is a distance of the key's own kind") {
  TypeRows types;
  types[20].name = "int8";
  types[1184].name = "timestamptz";
  types[1082].name = "date";
  types[25].name = "text";
  types[99].kind = 'd';
  types[99].base = 20;
  CHECK(lookback_start(types, 20, "'7'", 10) ==
        "greatest('7'::pg_catalog.numeric OPERATOR(pg_catalog.-) pg_catalog.ceil(10::pg_catalog.numeric), "
        "-9223372036854775808)::pg_catalog.int8");
  CHECK(lookback_start(types, 99, "'7'", 10) == lookback_start(types, 20, "'7'", 10));
  CHECK(lookback_start(types, 1184, "'x'", 1.5) ==
        "('x'::pg_catalog.timestamptz OPERATOR(pg_catalog.-) (1.5::pg_catalog.float8 OPERATOR(pg_catalog.*) "
        "'1 second'::pg_catalog.interval))");
  CHECK(lookback_start(types, 1082, "'x'", 60) ==
        "('x'::pg_catalog.timestamp OPERATOR(pg_catalog.-) (60::pg_catalog.float8 OPERATOR(pg_catalog.*) '1 "
        "second'::pg_catalog.interval))");
  CHECK(lookback_start(types, 1184, "'x'", 1e12) ==
        "('x'::pg_catalog.timestamptz OPERATOR(pg_catalog.-) (31557600000::pg_catalog.float8 "
        "OPERATOR(pg_catalog.*) '1 second'::pg_catalog.interval))");
  CHECK(lookback_start(types, 25, "'x'", 60).empty());
}

TEST_CASE("a snapshot has the transactions that were over by then") {
  const TxidSnapshot seen("1000:1010:1003,1007");
  CHECK(seen.have("999"));
  CHECK(seen.have("1009"));
  CHECK_FALSE(seen.have("1003"));
  CHECK_FALSE(seen.have("1007"));
  CHECK_FALSE(seen.have("1010"));
  CHECK_FALSE(seen.have("2000"));
  CHECK_FALSE(seen.have(""));
  CHECK_FALSE(seen.have("12x"));
  CHECK(TxidSnapshot("5:5:").have("4"));
}

TEST_CASE("the numbers of transactions go round, those of a snapshot do not") {
  const TxidSnapshot seen("12884901880:12884901900:12884901884");  // 3 << 32 is 12884901888
  CHECK(seen.have("4294967295"));
  CHECK(seen.have("4294967288"));
  CHECK_FALSE(seen.have("4294967292"));
  CHECK(seen.have("11"));
  CHECK_FALSE(seen.have("12"));
}

TEST_CASE("what is no snapshot is refused") {
  CHECK_THROWS_WITH(TxidSnapshot("x"), "the server's snapshot cannot be read at \"x\"");
}
