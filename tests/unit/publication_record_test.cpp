// SPDX-License-Identifier: Apache-2.0
#include "sync/slots/publications/publication_record.hpp"

#include "publication_support.hpp"

using namespace tap;
using namespace tap::publication_test;

TEST_CASE("a table that was added to a publication again lacks changes") {
  pg::PublishedTable t = published(table("t"), "p");
  t.oid = 7;
  t.published.front().entries = {10};
  pg::PublishedTable inserts = published(t, "p_inserts");
  inserts.published.back().entries = {20};
  const auto problem = [](const pg::PublishedTable& now, const Json& recorded, bool has_position = true) {
    PublicationFacts known = facts({stream({now}, has_position)});
    known.streams.front().recorded = recorded;
    known.existing = {publication("p"), publication("p_inserts", false)};
    known.slot = "slot";
    const auto found = sync::publication_problems(known);
    if (!found.empty()) {
      CHECK(found.front().streams == Texts{"db-s-t"});
    }
    return found.empty() ? "" : to_text(found.front().problem);
  };
  PublicationFacts known = facts({stream({inserts})});
  known.existing = {publication("p"), publication("p_inserts", false)};
  const Json recorded = sync::PublicationRecords(known).record_of(known.streams.front());
  CHECK(to_text(recorded) == R"({"7":{"insert":[10,20],"update":[10],"delete":[10]}})");
  CHECK(problem(t, recorded).empty());
  CHECK(problem(t, Json()).empty());  // by an earlier release
  const std::string added =
      R"(changes of "s"."t" may be missing, because it was added to publication p after the last run: run with )"
      "--full-refresh db-s-t, because replication slot slot keeps WAL until then";
  inserts.published.front().entries = {11};
  CHECK(problem(inserts, recorded) == added);
  CHECK(problem(inserts, recorded, false).empty());
  CHECK(problem(inserts, parse_json(R"({"7":[20]})", "")) == added);            // updates were elsewhere
  CHECK(problem(inserts, parse_json(R"({"7":{"insert":[20]}})", "")).empty());  // now it has an identity
  CHECK(problem(inserts, parse_json(R"({"8":[10]})", "")).empty());             // another table
  CHECK(problem(t, sync::record_of_gap()) ==
        R"(changes of "s"."t" are missing, because they were not published during an earlier run: run with )"
        "--full-refresh db-s-t, because replication slot slot keeps WAL until then");
}

TEST_CASE("partitions of a published root are not recorded one by one") {
  pg::PublishedTable root = published(partitioned("r"), "p");
  pg::PublishedTable part = published(partition("r1"), "p");
  root.oid = 1;
  part.oid = 2;
  root.published.front().entries = part.published.front().entries = {10};
  PublicationFacts known = facts({stream({root, part})});
  known.existing = {publication("p")};
  CHECK(to_text(sync::PublicationRecords(known).record_of(known.streams.front())) == R"({"1":[10]})");
  known.streams.front().tables.front().published.clear();
  CHECK(to_text(sync::PublicationRecords(known).record_of(known.streams.front())) == R"({"2":[10]})");
}
