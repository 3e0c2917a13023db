// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <vector>

#include <tap/base/error.hpp>
#include <tap/change/decoder.hpp>

#include "catch.hpp"

using namespace tap;
using change::Change;

namespace {

constexpr Lsn kLsn{0x1947C08};

std::string fields_of(const std::vector<change::Field>& fields) {
  std::string text;
  for (const change::Field& field : fields) {
    text += (text.empty() ? "" : " ") + std::string(field.name) + "=" +
            (field.value.data() == nullptr ? "NULL" : "<" + std::string(field.value) + ">");
  }
  return text;
}

/// Returns a change as one line: `insert public.t (a=<1> b=NULL)`.
std::string describe(const Change& change) {
  const std::string table = std::string(change.schema) + "." + std::string(change.table);
  switch (change.kind) {
    case Change::Kind::begin:
      return "begin, ends at " + to_text(change.commit_end) + ", " + std::string(change.commit_time);
    case Change::Kind::commit:
      return "commit at " + to_text(change.commit_end);
    case Change::Kind::insert:
      return "insert " + table + " (" + fields_of(change.columns) + ")";
    case Change::Kind::update:
      return "update " + table + " (" + fields_of(change.columns) + ") was (" + fields_of(change.identity) +
             ")";
    case Change::Kind::remove:
      return "delete " + table + " (" + fields_of(change.identity) + ") at " +
             std::string(change.commit_time);
    case Change::Kind::truncate:
      return "truncate " + table;
    case Change::Kind::other:
      return "other";
  }
  return "";
}

std::vector<std::string> decode(change::Decoder& decoder, const std::vector<std::string>& messages) {
  std::vector<std::string> changes;
  for (const std::string& message : messages) {
    decoder.decode(message, kLsn, [&](const Change& change) { changes.push_back(describe(change)); });
  }
  return changes;
}

const std::string kInsert =
    R"({"action":"I","timestamp":"2026-11-23 14:30:57.465729+00","lsn":"0/194B238","schema":"public","table":"t",)"
    R"("columns":[{"name":"id","value":1},{"name":"n","value":123456789012345678901234567890.10},)"
    R"({"name":"b","value":true},{"name":"by","value":""},{"name":"f","value":1e+30},{"name":"a \"q\"","value":"{1,NULL}"},)"
    R"({"name":"s","value":"a\"\\\n\u0001é😀"},{"name":"none","value":null}]})";

}  // namespace

TEST_CASE("format 2: one message per change") {
  const auto decoder = change::make_wal2json_v2_decoder("UTF8");
  CHECK(
      decode(
          *decoder,
          {R"({"action":"B","timestamp":"2026-11-23 14:30:57.465729+00","lsn":"0/194B400","nextlsn":"0/194B430"})",
           kInsert,
           R"({"action":"U","timestamp":"t","lsn":"0/1","schema":"s","table":"t","columns":[{"name":"id","value":3}],)"
           R"("identity":[{"name":"id","value":1}]})",
           R"({"action":"D","timestamp":"2026-11-23 14:30:57+00","lsn":"0/1","schema":"s","table":"t",)"
           R"("identity":[{"name":"id","value":3}]})",
           R"({"action":"T","timestamp":"t","lsn":"0/194C3B8","schema":"s","table":"t"})",
           R"({"action":"M","timestamp":null,"lsn":"0/194C5D8","transactional":false,"prefix":"p","content":"x"})",
           R"({"action":"C","timestamp":"t","lsn":"0/194B400","nextlsn":"0/194B430"})"}) ==
      std::vector<std::string>{"begin, ends at 0/194B430, 2026-11-23 14:30:57.465729+00",
                               "insert public.t (id=<1> n=<123456789012345678901234567890.10> b=<true> by=<> "
                               "f=<1e+30> a \"q\"=<{1,NULL}> "
                               "s=<a\"\\\n\x01é😀> none=NULL)",
                               "update s.t (id=<3>) was (id=<1>)",
                               "delete s.t (id=<3>) at 2026-11-23 14:30:57+00", "truncate s.t", "other",
                               "commit at 0/194B430"});
}

TEST_CASE("format 2: a message has no time or transaction of the one before it") {
  const auto decoder = change::make_wal2json_v2_decoder("UTF8");
  std::vector<std::string> found;
  for (
      const char* message :
      {R"({"action":"B","xid":7,"timestamp":"2026-11-23 14:30:57+00","nextlsn":"0/194B430"})",
       R"({"action":"M","timestamp":null,"lsn":"0/194C5D8","transactional":false,"prefix":"p","content":"x"})"}) {
    decoder->decode(message, kLsn, [&](const Change& change) {
      found.push_back("<" + std::string(change.commit_time) + "> <" + std::string(change.xid) + ">");
    });
  }
  CHECK(found == std::vector<std::string>{"<2026-11-23 14:30:57+00> <7>", "<> <>"});
}

TEST_CASE("format 1: a transaction in one message, or in chunks") {
  const std::string begin = R"({"nextlsn":"0/194B430","timestamp":"2026-11-23 14:30:57+00","change":[)";
  const std::string insert =
      R"({"kind":"insert","schema":"public","table":"t","columnnames":["id","s"],"columnvalues":[1.10,null]})";
  const std::string update =
      R"({"kind":"update","schema":"public","table":"t","columnnames":["id"],"columnvalues":[2],)"
      R"("oldkeys":{"keynames":["id"],"keyvalues":[1]}})";
  const std::string remove =
      R"({"kind":"delete","schema":"public","table":"t","oldkeys":{"keynames":["id"],"keyvalues":["x"]}})";
  const std::string message =
      R"({"change":[{"kind":"message","transactional":false,"prefix":"p","content":"hello"}]})";
  const std::vector<std::string> changes = {
      "begin, ends at 0/194B430, 2026-11-23 14:30:57+00", "insert public.t (id=<1.10> s=NULL)",
      "update public.t (id=<2>) was (id=<1>)", "delete public.t (id=<x>) at 2026-11-23 14:30:57+00",
      "commit at 0/194B430"};
  const auto decoder = change::make_wal2json_v1_decoder("UTF8");
  CHECK(decode(*decoder, {begin + insert + "," + update + "," + remove + "]}"}) == changes);
  CHECK(decode(*decoder, {begin, insert, "," + update, "," + remove, "]}"}) == changes);
  CHECK(decode(*decoder, {message}) == std::vector<std::string>{"other"});
  CHECK(decode(*decoder, {begin, "]}"}).size() == 2);
  CHECK(decode(*decoder, {begin, message, insert, "]}"}).size() == 4);

  decode(*decoder, {begin, insert});  // the connection is lost here
  decoder->restart();
  CHECK(decode(*decoder, {begin, insert, "," + update, "," + remove, "]}"}) == changes);
}

TEST_CASE("format 1: the stray comma before a logical message is ignored") {
  const std::string begin =
      R"({"xid":7,"nextlsn":"0/194B430","timestamp":"2026-11-23 14:30:57+00","change":[)";
  const std::string insert =
      R"({"kind":"insert","schema":"public","table":"t","columnnames":["id"],"columnvalues":[1]})";
  const std::string message =
      R"({"change":[,{"kind":"message","transactional":false,"prefix":"a \"b\" [,{","content":"]}\n\u0001"}]})";
  const std::string of_transaction =
      R"({"kind":"message","transactional":true,"prefix":"","content":"{\"change\":["})";
  const std::vector<std::string> transaction = {"begin, ends at 0/194B430, 2026-11-23 14:30:57+00",
                                                "insert public.t (id=<1>)", "insert public.t (id=<1>)",
                                                "other", "commit at 0/194B430"};
  const auto decoder = change::make_wal2json_v1_decoder("UTF8");
  const std::vector<std::string> chunks = {begin, insert, "," + insert, "," + of_transaction, "]}"};
  CHECK(decode(*decoder, {message}) == std::vector<std::string>{"other"});
  CHECK(decode(*decoder, chunks) == transaction);
  CHECK(decode(*decoder, {message, message}) == std::vector<std::string>{"other", "other"});
  CHECK(decode(*decoder, chunks) == transaction);
  CHECK(decode(*decoder, {begin + insert + "," + insert + "," + of_transaction + "]}"}) == transaction);
  CHECK(decode(*decoder, {message}) == std::vector<std::string>{"other"});
  // Inside a transaction, it has no effect on the transaction.
  CHECK(decode(*decoder, {begin, message, insert, message, "]}"}) ==
        std::vector<std::string>{"begin, ends at 0/194B430, 2026-11-23 14:30:57+00", "other",
                                 "insert public.t (id=<1>)", "other", "commit at 0/194B430"});
  // Bytes that are not UTF-8 have no effect either.
  CHECK(decode(*decoder, {R"({"change":[,{"kind":"message","transactional":false,"prefix":"p","content":")"
                          "\xFF\xF0\x9F"
                          R"("}]})"}) == std::vector<std::string>{"other"});
}

TEST_CASE("format 1: a stray comma is only ignored before a logical message") {
  const std::string insert =
      R"({"kind":"insert","schema":"public","table":"t","columnnames":["id"],"columnvalues":[1]})";
  const std::string message = R"({"kind":"message","transactional":false,"prefix":"p","content":"c"})";
  for (const std::string& text :
       {R"({"change":[,)" + insert + "]}", R"({"change":[,)" + message + "}",
        R"({"change":[,)" + message + "," + message + "]}", R"({"change":[,,)" + message + "]}",
        std::string(R"({"change":[,]})"), R"({"nextlsn":"0/1","change":[,)" + message + "]}"}) {
    CAPTURE(text);
    const auto decoder = change::make_wal2json_v1_decoder("UTF8");
    decode(*decoder, {R"({"nextlsn":"0/1","change":[)" + insert + "]}"});
    CHECK_THROWS_AS(decode(*decoder, {text}), Error);
  }
}

TEST_CASE("a truncated message stops the run with its WAL position") {
  const auto decoder = change::make_wal2json_v2_decoder("UTF8");
  decoder->decode(kInsert, kLsn, [](const Change& /*change*/) {});  // what follows a later one in the buffer
  for (std::size_t size = 0; size < kInsert.size(); ++size) {
    CAPTURE(size);
    bool called = false;
    try {
      decoder->decode(kInsert.substr(0, size), kLsn, [&](const Change& /*change*/) { called = true; });
      FAIL("the message was accepted");
    } catch (const Error& error) {
      CHECK(error.code() == ExitCode::run_failed);
      CHECK(
          std::string(error.what()).find("cannot decode the wal2json message at WAL position 0/1947C08 (") ==
          0);
    }
    CHECK_FALSE(called);
  }
}

TEST_CASE("a message that is not in wal2json's format is refused") {
  for (const char* message :
       {"", "[]", "1", "{}", R"({"action":"X"})", R"({"action":"I"} {"action":"I"})",
        R"({"action":"I","columns":[{"name":"a"}]})", R"({"action":"I","columns":[{"value":1}]})",
        R"({"action":"I","columns":[{"name":"a","value":[1]}]})", R"({"action":"B","nextlsn":"x"})",
        R"({"action":"B"})", R"({"action":"I","columns":[]})", R"({"action":"T","schema":"s"})"}) {
    CAPTURE(message);
    const auto decoder = change::make_wal2json_v2_decoder("UTF8");
    CHECK_THROWS_AS(decode(*decoder, {message}), Error);
  }
  for (const char* message :
       {"", "]}", R"({"nextlsn":"0/1","change":[{"kind":"insert","columnnames":["a"],"columnvalues":[]}]})",
        R"({"nextlsn":"0/1","change":[{"kind":"insert","columnnames":[],"columnvalues":[1]}]})",
        R"({"nextlsn":"0/1","change":[{"kind":"upsert"}]})", R"({"nextlsn":"0/1","change":[]},)"}) {
    CAPTURE(message);
    const auto decoder = change::make_wal2json_v1_decoder("UTF8");
    CHECK_THROWS_AS(decode(*decoder, {message}), Error);
  }
}

TEST_CASE("a string without an end is refused") {
  for (const char* const end : {R"("kind":)", R"("kind":")", R"("kind":"message)", R"("kind":"message\")",
                                R"("kind":"mess\\\")", R"("schema":"\u0061)", R"("schema":"\u0061\")"}) {
    CAPTURE(end);
    const auto decoder = change::make_wal2json_v1_decoder("UTF8");
    const std::string start = R"({"nextlsn":"0/1","timestamp":"2026-01-01 00:00:00+00","change":[)";
    decoder->decode(start, kLsn, [](const Change& /*change*/) {});
    REQUIRE_THROWS_AS(decoder->decode("{" + std::string(end), kLsn, [](const Change& /*change*/) {}), Error);
    REQUIRE_THROWS_AS(decoder->decode("{" + std::string(end) + "}", kLsn, [](const Change& /*change*/) {}),
                      Error);
  }
}

TEST_CASE("format 1: a member without a value is refused, whatever follows it in memory") {
  const auto decoder = change::make_wal2json_v1_decoder("UTF8");
  const std::string start = R"({"xid":731,"nextlsn":"0/1","timestamp":"2026-01-01 00:00:00+00","change":[)";
  const std::string message = R"({"a":"bcdef","table")";
  REQUIRE(start[message.size()] == ':');  // stays in the decoder's buffer, behind the next message
  decode(*decoder, {start});
  REQUIRE_THROWS_AS(decode(*decoder, {message}), Error);
}

TEST_CASE("format 1: an empty message in a transaction is refused") {
  for (const char* message : {"", " \n"}) {
    const auto decoder = change::make_wal2json_v1_decoder("UTF8");
    decode(*decoder, {R"({"nextlsn":"0/194B430","change":[)"});
    CHECK_THROWS_AS(decode(*decoder, {message}), Error);
  }
}

TEST_CASE("text is converted from the server's encoding to UTF-8") {
  const std::string before = R"({"action":"I","schema":"s","table":"t","columns":[{"name":"a","value":"x)";
  const std::string after = R"("}]})";
  CHECK(decode(*change::make_wal2json_v2_decoder("LATIN1"), {before + "\xE9" + after}) ==
        std::vector<std::string>{"insert s.t (a=<xé>)"});
  CHECK(decode(*change::make_wal2json_v2_decoder("SQL_ASCII"), {before + "é\xE9!" + after}) ==
        std::vector<std::string>{"insert s.t (a=<xé\xEF\xBF\xBD!>)"});
  CHECK(decode(*change::make_wal2json_v2_decoder("WIN1252"), {before + "\x80" + after}) ==
        std::vector<std::string>{"insert s.t (a=<x€>)"});
  REQUIRE_THROWS_WITH(change::make_wal2json_v2_decoder("MULE_INTERNAL"),
                      "log-based replication does not support database encoding MULE_INTERNAL: the C library "
                      "cannot convert it; "
                      "use FULL_TABLE or INCREMENTAL");
}

TEST_CASE("an LSN has the server's text form") {
  CHECK(to_text(Lsn{0}) == "0/0");
  CHECK(to_text(Lsn{0x16B374D848}) == "16/B374D848");
  CHECK(read_lsn("16/B374D848") == Lsn{0x16B374D848});
  CHECK(read_lsn("FFFFFFFF/FFFFFFFF") == Lsn{~std::uint64_t{0}});
  for (const char* text : {"", "1", "1/", "/1", "1/2/3", "g/1", "1/100000000", "-1/0"}) {
    CAPTURE(text);
    CHECK_FALSE(read_lsn(text).has_value());
  }
}

TEST_CASE("a deeply nested message is refused or ignored") {
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  for (const int format : {1, 2}) {
    const auto decoder =
        format == 1 ? change::make_wal2json_v1_decoder("UTF8") : change::make_wal2json_v2_decoder("UTF8");
    for (const std::string& message : {deep, R"({"action":"I","columns":)" + deep + "}",
                                       R"({"change":)" + deep + "}", R"({"x":)" + deep + "}"}) {
      CAPTURE(format, message.substr(0, 40));
      const auto result = [&]() -> std::string {
        try {
          return std::to_string(decode(*decoder, {message}).size()) + " changes";
        } catch (const Error& error) {
          return error.what();
        }
      }();
      CHECK((result == "0 changes" || result == "1 changes" ||
             result.find("cannot decode the wal2json message") != std::string::npos));
    }
  }
}
