// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"
#include "fake_lookup.hpp"
#include "sync/wal/records/commit_visibility.hpp"

using namespace tap::sync;
using Strings = std::vector<std::string>;

TEST_CASE("the current transaction is awaited once") {
  FakeLookup lookup;
  CommitVisibility visibility;
  visibility.await_current(lookup);
  CHECK(lookup.asked().empty());
  visibility.begin("7");
  visibility.await_current(lookup);
  visibility.await_current(lookup);
  CHECK(lookup.asked() == Strings{"visible 7"});
}

TEST_CASE("rows to read wait for their transactions, each named once") {
  FakeLookup lookup;
  CommitVisibility visibility;
  for (const char* const xid : {"7", "8", "9"}) {
    visibility.begin(xid);
    if (xid != std::string("8")) {
      visibility.note_row_to_read();
      visibility.note_row_to_read();
    }
  }
  visibility.await_noted(lookup);
  visibility.await_noted(lookup);
  CHECK(lookup.asked() == Strings{"visible 7 9"});
}

TEST_CASE("rows of visible, unknown and forgotten transactions wait for nothing") {
  FakeLookup lookup;
  CommitVisibility visibility;
  visibility.begin("7");
  visibility.await_current(lookup);
  visibility.note_row_to_read();
  visibility.begin("");
  visibility.note_row_to_read();
  visibility.begin("8");
  visibility.note_row_to_read();
  visibility.forget_noted();
  visibility.await_noted(lookup);
  CHECK(lookup.asked() == Strings{"visible 7"});
}

TEST_CASE("a transaction is polled until it is visible, with the action in between") {
  FakeLookup lookup;
  lookup.polls_until_visible = 2;
  int calls = 0;
  CommitVisibility visibility;
  visibility.while_waiting([&calls] { ++calls; });
  visibility.begin("7");
  visibility.await_current(lookup);
  CHECK(lookup.asked() == Strings{"visible 7", "visible 7", "visible 7"});
  CHECK(calls == 2);
}
