// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <tap/base/error.hpp>
#include <tap/change/decoder.hpp>

#include "catch.hpp"

using namespace tap;
using namespace std::string_literals;
using change::Change;
using change::Field;

namespace {

constexpr Lsn kLsn{0x1947C08};
constexpr Oid kTable = 16385;
constexpr Oid kOther = 16390;

/// Bytes of a message, as in `Bytes('I').u32(16385).c('N')`.
struct Bytes : std::string {
  explicit Bytes(char kind) : std::string(1, kind) {}

  Bytes& c(char byte) {
    push_back(byte);
    return *this;
  }
  template <class T>
  Bytes& big_endian(T value) {
    for (std::size_t shift = sizeof(T) * 8; shift > 0; shift -= 8) {
      push_back(static_cast<char>(value >> (shift - 8)));
    }
    return *this;
  }
  Bytes& u8(std::uint8_t value) { return big_endian(value); }
  Bytes& u16(std::uint16_t value) { return big_endian(value); }
  Bytes& u32(std::uint32_t value) { return big_endian(value); }
  Bytes& u64(std::uint64_t value) { return big_endian(value); }
  Bytes& string(std::string_view text) {
    append(text);
    return c('\0');
  }
  /// A value in a row: kind 't' or 'b', length, bytes.
  Bytes& value(char kind, std::string_view bytes) {
    c(kind).u32(static_cast<std::uint32_t>(bytes.size()));
    append(bytes);
    return *this;
  }
  Bytes& text(std::string_view bytes) { return value('t', bytes); }
  Bytes& binary(std::string_view bytes) { return value('b', bytes); }
  Bytes& null() { return c('n'); }
  Bytes& unchanged() { return c('u'); }
};

Bytes begin(std::uint64_t commit_start = 0x194B400, std::int64_t time = 849'191'457'465'729) {
  return Bytes('B').u64(commit_start).u64(static_cast<std::uint64_t>(time)).u32(743);
}

Bytes commit(std::uint64_t start = 0x194B400, std::uint64_t end = 0x194B430) {
  return Bytes('C').u8(0).u64(start).u64(end).u64(849'191'457'465'729);
}

struct ColumnOf {
  bool is_key;
  const char* name;
  Oid type;
};

Bytes relation(Oid oid, std::string_view schema, std::string_view table, char replica_identity,
               const std::vector<ColumnOf>& columns) {
  Bytes bytes = Bytes('R')
                    .u32(oid)
                    .string(schema)
                    .string(table)
                    .c(replica_identity)
                    .u16(static_cast<std::uint16_t>(columns.size()));
  for (const ColumnOf& column : columns) {
    bytes.u8(column.is_key ? 1 : 0).string(column.name).u32(column.type).u32(0xFFFFFFFF);
  }
  return bytes;
}

/// public.t (id int4 PRIMARY KEY, s text)
Bytes table() {
  return relation(kTable, "public", "t", 'd', {{true, "id", oids::kInt4}, {false, "s", oids::kText}});
}

/// The same table with REPLICA IDENTITY FULL.
Bytes full_table() {
  return relation(kTable, "public", "t", 'f', {{true, "id", oids::kInt4}, {true, "s", oids::kText}});
}

/// A row of public.t up to its values.
Bytes row(char kind, char tuple = 'N') {
  return Bytes(kind).u32(kTable).c(tuple).u16(2);
}

std::string fields_of(const std::vector<Field>& fields) {
  std::string text;
  for (const Field& field : fields) {
    CHECK(field.format != Field::Format::wal2json);
    text += (text.empty() ? "" : " ") + std::string(field.name) + ":" + std::to_string(field.type) + "=" +
            (field.value.data() == nullptr ? "NULL" : "<" + std::string(field.value) + ">") +
            (field.format == Field::Format::binary ? "b" : "");
  }
  return "(" + text + ")";
}

/// Returns a change as one line: `insert public.t (id:23=<1> s:25=NULL)`.
std::string describe(const Change& change) {
  const std::string table = " " + std::string(change.schema) + "." + std::string(change.table) + " ";
  const std::string transaction =
      to_text(change.commit_end) + " " + std::string(change.commit_time) + " xid " + std::string(change.xid);
  switch (change.kind) {
    case Change::Kind::begin:
      return "begin " + transaction;
    case Change::Kind::commit:
      return "commit " + transaction;
    case Change::Kind::insert:
      CHECK(change.identity.empty());
      return "insert" + table + fields_of(change.columns);
    case Change::Kind::update:
      return "update" + table + fields_of(change.columns) + " was " + fields_of(change.identity);
    case Change::Kind::remove:
      CHECK(change.columns.empty());
      return "delete" + table + fields_of(change.identity);
    case Change::Kind::truncate:
      CHECK((change.columns.empty() && change.identity.empty()));
      return "truncate" + table + transaction;
    case Change::Kind::other:
      CHECK((change.schema.empty() && change.table.empty()));
      return "other";
  }
  return "";
}

using Lines = std::vector<std::string>;

Lines decode(change::Decoder& decoder, const std::vector<std::string>& messages) {
  Lines changes;
  for (const std::string& message : messages) {
    decoder.decode(message, kLsn, [&](const Change& change) { changes.push_back(describe(change)); });
  }
  return changes;
}

/// Decodes messages with a new decoder after `begin` and a description of public.t.
Lines decode_in_transaction(const std::vector<std::string>& messages) {
  const auto decoder = change::make_pgoutput_decoder();
  decode(*decoder, {begin(), table()});
  return decode(*decoder, messages);
}

/// Returns why the last message is refused. Its error must name the WAL position and the size.
std::string refusal(const std::vector<std::string>& messages) {
  const auto decoder = change::make_pgoutput_decoder();
  decode(*decoder, {messages.begin(), messages.end() - 1});
  bool called = false;
  try {
    decoder->decode(messages.back(), kLsn, [&](const Change& /*change*/) { called = true; });
  } catch (const Error& error) {
    CHECK(error.code() == ExitCode::run_failed);
    CHECK_FALSE(called);
    const std::string text = error.what();
    const std::string before = "cannot decode the pgoutput message at WAL position 0/1947C08 (" +
                               std::to_string(messages.back().size()) + " bytes): ";
    const std::string after =
        "; nothing after it was read; please report this with the versions of PostgreSQL and pgoutput";
    if (text.starts_with(before) && text.ends_with(after)) {
      return text.substr(before.size(), text.size() - before.size() - after.size());
    }
    return text;
  }
  return "accepted";
}

std::string refusal_in_transaction(const std::string& message) {
  return refusal({begin(), table(), message});
}

}  // namespace

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

TEST_CASE("pgoutput: truncated and overlong messages are refused") {
  const std::vector<std::string> messages = {
      begin(),
      commit(),
      table(),
      row('I').text("1").binary("x"),
      row('U').text("1").unchanged(),
      row('U', 'K').text("1").null().c('N').u16(2).text("2").text("x"),
      row('D', 'O').text("1").text("x"),
      Bytes('T').u32(1).u8(0).u32(kTable),
      Bytes('M').u8(0).u64(1).string("prefix").u32(1).c('x'),
      Bytes('O').u64(1).string("origin"),
      Bytes('Y').u32(16400).string("public").string("mood"),
  };
  for (const std::string& message : messages) {
    std::vector<std::string> before = {begin(), table()};
    if (message.front() == 'B') {
      before.clear();
    }
    for (std::size_t size = 0; size < message.size(); ++size) {
      CAPTURE(message.front(), size);
      auto all = before;
      all.push_back(message.substr(0, size));
      const std::string reason = refusal(all);
      CHECK((reason.starts_with("a server message is truncated: expected ") ||
             (message.front() == 'T' &&
              reason == "it has " + std::to_string(size - 6) + " bytes of OIDs for 1 relations")));
    }
    CAPTURE(message.front());
    auto all = before;
    all.push_back(message + "\0\0"s);
    CHECK(refusal(all) ==
          (message.front() == 'T' ? "it has 6 bytes of OIDs for 1 relations" : "2 bytes follow its end"));
  }
  CHECK(refusal({""}) == "a server message is truncated: expected 1 more bytes, found 0");
}

TEST_CASE("pgoutput: a message that is not in the plugin's format is refused") {
  CHECK(refusal_in_transaction(Bytes('S')) == "its kind 0x53 is unknown");
  CHECK(refusal_in_transaction(std::string(1, '\xFF')) == "its kind 0xff is unknown");
  CHECK(refusal_in_transaction(row('I', 'K').text("1").null()) == "its row kind 0x4b is not one of N");
  CHECK(refusal_in_transaction(row('U', 'X').text("1").null()) == "its row kind 0x58 is not one of KON");
  CHECK(refusal_in_transaction(row('U', 'K').text("1").null().c('K').u16(2)) ==
        "its row kind 0x4b is not one of N");
  CHECK(refusal_in_transaction(row('D', 'N').text("1").null()) == "its row kind 0x4e is not one of KO");
  CHECK(refusal_in_transaction(row('I').text("1").c('x')) == "the value kind 0x78 of column s is unknown");
  CHECK(refusal_in_transaction(row('I').text("1").c('t').u32(0xFFFFFFFF).c('x')) ==
        "a server message is truncated: expected 4294967295 more bytes, found 1");
  CHECK(refusal_in_transaction(Bytes('I').u32(kTable).c('N').u16(1).text("1")) ==
        "its row has 1 columns, but table public.t has 2");
  CHECK(refusal_in_transaction(Bytes('I').u32(kTable).c('N').u16(0xFFFF).text("1")) ==
        "its row has 65535 columns, but table public.t has 2");
  CHECK(refusal_in_transaction(Bytes('D').u32(kOther).c('K').u16(1).text("1")) ==
        "relation 16390 has not been described");
  CHECK(refusal_in_transaction(Bytes('T').u32(2).u8(0).u32(kTable).u32(kOther)) ==
        "relation 16390 has not been described");
  CHECK(refusal_in_transaction(Bytes('T').u32(0x40000001).u8(0).u32(kTable)) ==
        "it has 4 bytes of OIDs for 1073741825 relations");
  CHECK(refusal_in_transaction(Bytes('R').u32(kTable).string("s").string("t").c('d').u16(0xFFFF)) ==
        "a server message is truncated: expected 1 more bytes, found 0");
  CHECK(refusal_in_transaction(Bytes('M').u8(0).u64(1).string("p").u32(0xFFFFFFFF)) ==
        "a server message is truncated: expected 4294967295 more bytes, found 0");
}

TEST_CASE("pgoutput: changes and commits outside their transaction are refused") {
  const std::string insert = row('I').text("1").null();
  CHECK(refusal({table(), insert}) == "no transaction has begun");
  CHECK(refusal({table(), Bytes('T').u32(1).u8(0).u32(kTable)}) == "no transaction has begun");
  CHECK(refusal({commit()}) == "no transaction has begun");
  CHECK(refusal({begin(), table(), commit(), insert}) == "no transaction has begun");
  CHECK(refusal({begin(), begin()}) == "the previous transaction has not ended");
  CHECK(refusal({begin(), commit(0x194B401)}) ==
        "its commit record from 0/194B401 to 0/194B430 is not the transaction's, which starts at 0/194B400");
  CHECK(refusal({begin(), commit(0x194B400, 0x194B400)}) ==
        "its commit record from 0/194B400 to 0/194B400 is not the transaction's, which starts at 0/194B400");
}
