// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <vector>

#include "pgoutput_support.hpp"

using namespace tap;
using namespace tap::pgoutput_test;
using namespace std::string_literals;

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
