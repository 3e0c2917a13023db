// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "pgoutput_support.hpp"

using namespace tap;
using namespace tap::pgoutput_test;
using namespace std::string_literals;

TEST_CASE("pgoutput: a transaction with text values") {
  const auto decoder = change::make_pgoutput_decoder();
  CHECK(decode(*decoder, {begin(), table(), row('I').text("1").text("a\"é\n"), row('I').text("2").text(""),
                          row('I').text("3").null(), commit()}) ==
        Lines{"begin 0/194B401 2026-11-28 14:30:57.465729+00 xid 743",
              "insert public.t (id:23=<1> s:25=<a\"é\n>)", "insert public.t (id:23=<2> s:25=<>)",
              "insert public.t (id:23=<3> s:25=NULL)",
              "commit 0/194B430 2026-11-28 14:30:57.465729+00 xid 743"});
  // The server does not describe the table again.
  CHECK(
      decode(*decoder, {begin(0x194B500, 0), row('D', 'K').text("1").null(), commit(0x194B500, 0x194B530)}) ==
      Lines{"begin 0/194B501 2000-01-01 00:00:00+00 xid 743", "delete public.t (id:23=<1>)",
            "commit 0/194B530 2000-01-01 00:00:00+00 xid 743"});
}

TEST_CASE("pgoutput: binary values") {
  CHECK(decode_in_transaction({row('I').binary("\0\0\0\1"s).text("x"), row('I').binary("").null()}) ==
        Lines{"insert public.t (id:23=<\0\0\0\1>b s:25=<x>)"s, "insert public.t (id:23=<>b s:25=NULL)"});
}

TEST_CASE("pgoutput: the identity of an update and a delete") {
  CHECK(decode_in_transaction({
            row('U').text("1").text("new"),                                      // same key
            row('U', 'K').text("1").null().c('N').u16(2).text("2").text("new"),  // other key
            row('D', 'K').binary("\1").null(),
        }) == Lines{"update public.t (id:23=<1> s:25=<new>) was (id:23=<1>)",
                    "update public.t (id:23=<2> s:25=<new>) was (id:23=<1>)",
                    "delete public.t (id:23=<\1>b)"});
  // Like wal2json's format 2, the whole old row has its NULL values.
  CHECK(decode_in_transaction({
            full_table(),
            row('U', 'O').text("1").text("old").c('N').u16(2).text("1").null(),
            row('U', 'O').text("1").null().c('N').u16(2).text("1").text("new"),
            row('D', 'O').text("1").text("old"),
            row('D', 'O').text("1").null(),
        }) == Lines{"update public.t (id:23=<1> s:25=NULL) was (id:23=<1> s:25=<old>)",
                    "update public.t (id:23=<1> s:25=<new>) was (id:23=<1> s:25=NULL)",
                    "delete public.t (id:23=<1> s:25=<old>)", "delete public.t (id:23=<1> s:25=NULL)"});
  // With publish_via_partition_root, the table is the root, and the key is that of the partition.
  CHECK(decode_in_transaction({
            relation(kTable, "public", "root", 'd', {{false, "id", oids::kInt4}, {false, "s", oids::kText}}),
            row('U').text("1").text("new"),
            row('D', 'K').text("1").null(),
        }) == Lines{"update public.root (id:23=<1> s:25=<new>) was ()", "delete public.root (id:23=<1>)"});
}

TEST_CASE("pgoutput: unchanged TOAST columns are left out") {
  CHECK(decode_in_transaction({
            row('U').text("1").unchanged(),
            row('U', 'K').text("1").null().c('N').u16(2).text("2").unchanged(),
            full_table(),
            row('U').text("1").unchanged(),
            row('U', 'O').text("1").text("old").c('N').u16(2).text("1").unchanged(),
        }) == Lines{"update public.t (id:23=<1>) was (id:23=<1>)",
                    "update public.t (id:23=<2>) was (id:23=<1>)",
                    "update public.t (id:23=<1>) was (id:23=<1>)",
                    "update public.t (id:23=<1>) was (id:23=<1> s:25=<old>)"});
}

TEST_CASE("pgoutput: a table is altered in mid-stream") {
  CHECK(decode_in_transaction({
            row('I').text("1").text("x"),
            relation(kTable, "s2", "renamed", 'd', {{true, "key", oids::kInt8}}),
            Bytes('I').u32(kTable).c('N').u16(1).text("2"),
            Bytes('U').u32(kTable).c('N').u16(1).text("3"),
            relation(kOther, "", "pg_class", 'n', {{false, "oid", 26}}),
            Bytes('I').u32(kOther).c('N').u16(1).text("4"),
            Bytes('I').u32(kTable).c('N').u16(1).text("5"),
            relation(kOther, "s", "without_columns", 'n', {}),
            Bytes('I').u32(kOther).c('N').u16(0),
        }) == Lines{"insert public.t (id:23=<1> s:25=<x>)", "insert s2.renamed (key:20=<2>)",
                    "update s2.renamed (key:20=<3>) was (key:20=<3>)",
                    "insert pg_catalog.pg_class (oid:26=<4>)", "insert s2.renamed (key:20=<5>)",
                    "insert s.without_columns ()"});
}

TEST_CASE("pgoutput: TRUNCATE of several tables is one change for each") {
  const std::string transaction = "0/194B401 2026-11-28 14:30:57.465729+00 xid 743";
  CHECK(decode_in_transaction({
            relation(kOther, "s", "u", 'n', {}),
            Bytes('T').u32(1).u8(0).u32(kTable),
            Bytes('T').u32(2).u8(3).u32(kOther).u32(kTable),
        }) == Lines{"truncate public.t " + transaction, "truncate s.u " + transaction,
                    "truncate public.t " + transaction});
}

TEST_CASE("pgoutput: messages that are not about rows") {
  const Bytes message = Bytes('M').u8(0).u64(0x194B200).string("prefix").u32(3);
  const auto decoder = change::make_pgoutput_decoder();
  CHECK(decode(*decoder, {message + "a\0b"s}) == Lines{"other"});
  decode(*decoder, {begin()});
  CHECK(decode(*decoder, {Bytes('O').u64(0x194B200).string("origin"),
                          Bytes('Y').u32(16400).string("public").string("mood"), message + "abc"}) ==
        Lines{"other"});
}

TEST_CASE("pgoutput: the commit time has the server's text form") {
  const auto commit_time = [](std::int64_t time) {
    std::string text;
    change::make_pgoutput_decoder()->decode(begin(1, time), kLsn,
                                            [&](const Change& change) { text = change.commit_time; });
    return text;
  };
  CHECK(commit_time(849'191'457'465'700) == "2026-11-28 14:30:57.4657+00");
  CHECK(commit_time(849'191'457'000'001) == "2026-11-28 14:30:57.000001+00");
  CHECK(commit_time(-1) == "1999-12-31 23:59:59.999999+00");
  CHECK(commit_time(-1'000'000) == "1999-12-31 23:59:59+00");
  CHECK(commit_time(252'455'616'000'000'000) == "10000-01-01 00:00:00+00");
  CHECK(commit_time(-63'082'281'600'000'001) == "0001-12-31 23:59:59.999999+00 BC");
  CHECK(commit_time(std::numeric_limits<std::int64_t>::min()) == "290279-12-22 19:59:05.224192+00 BC");
  CHECK(commit_time(std::numeric_limits<std::int64_t>::max()) == "294277-01-09 04:00:54.775807+00");
}

TEST_CASE("pgoutput: a restart forgets the transaction and the tables") {
  const auto decoder = change::make_pgoutput_decoder();
  decode(*decoder, {begin(), table(), row('I').text("1").null()});  // the connection is lost here
  decoder->restart();
  CHECK(decode(*decoder, {begin()}).size() == 1);
  REQUIRE_THROWS_WITH(
      decode(*decoder, {row('I').text("1").null()}),
      "cannot decode the pgoutput message at WAL position 0/1947C08 (15 bytes): relation 16385 "
      "has not been described; nothing after it was read; please report this with the versions "
      "of PostgreSQL and pgoutput");
}

TEST_CASE("pgoutput: a truncated begin leaves no view of a time that is gone") {
  const auto decoder = change::make_pgoutput_decoder();
  const std::string long_time = begin(1, std::numeric_limits<std::int64_t>::min());
  for (std::size_t size = 0; size < long_time.size(); ++size) {
    decode(*decoder, {begin()});
    decoder->restart();
    REQUIRE_THROWS_AS(decode(*decoder, {long_time.substr(0, size)}), Error);
    decoder->restart();
    CHECK(decode(*decoder, {Bytes('M').u8(0).u64(1).string("prefix").u32(0)}) == Lines{"other"});
    std::string time;
    decoder->decode(Bytes('M').u8(0).u64(1).string("prefix").u32(0), kLsn,
                    [&](const Change& change) { time = change.commit_time; });
    CHECK_FALSE(time.empty());
  }
}
