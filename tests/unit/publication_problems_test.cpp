// SPDX-License-Identifier: Apache-2.0
#include "publication_support.hpp"
#include "sync/slots/publications/publication_advice.hpp"

using namespace tap;
using namespace tap::publication_test;

TEST_CASE("an error names the streams whose changes are missing") {
  PublicationFacts known = facts({stream({table("a")}, true), stream({table("b")}, true)});
  known.existing = {publication("p")};
  known.slot = "slot";
  known.existing.front().truncates = false;
  const auto found = sync::publication_problems(known);
  REQUIRE(found.size() == 1);
  CHECK(found.front().severity == Severity::error);
  CHECK(found.front().subject == "publication p");
  CHECK(found.front().streams == Texts{"db-s-a", "db-s-b"});
  CHECK(
      to_text(found.front().problem) ==
      R"(publication p does not publish "s"."a", "s"."b": changes that its streams need are missing; publish )"
      "it, then run with --full-refresh db-s-a --full-refresh db-s-b, because replication slot slot keeps "
      "WAL "
      "until then: ALTER PUBLICATION \"p\" ADD TABLE "
      R"("s"."a", "s"."b")");
}

TEST_CASE("REPLICA IDENTITY FULL is not advised if the publication leaves out a generated column (18)") {
  pg::PublishedTable log = published(table("log", {}), "p_inserts");
  log.generated = {"v"};
  PublicationFacts known = facts({stream({log})}, 180000);
  known.existing = {publication("p"), publication("p_inserts", false)};
  CHECK(advice(known) == kKey);
  known.existing.front().generated_columns = true;
  CHECK(advice(known) == kFull);
}

TEST_CASE("REPLICA IDENTITY FULL is not advised if another publication leaves out a column") {
  PublicationFacts known = facts({stream({published(table("log", {}), "p_inserts")})});
  known.existing = {publication("p"), publication("p_inserts", false)};
  CHECK(advice(known) == kFull);
  known.refusing_full = {{"s", "log"}};
  CHECK(advice(known) == kKey);
  known.streams.front().tables.front().has_primary_key = true;  // REPLICA IDENTITY NOTHING
  CHECK(
      advice(known) ==
      R"(BEGIN; ALTER TABLE "s"."log" REPLICA IDENTITY DEFAULT; ALTER PUBLICATION "p" ADD TABLE "s"."log"; )"
      "COMMIT");
}

TEST_CASE("updates are published with the row filter of the inserts") {
  pg::PublishedTable log = published(table("log", {}), "p_inserts");
  log.published.front().row_filter = "(v > 1)";
  PublicationFacts known = facts({stream({log})});
  known.existing = {publication("p"), publication("p_inserts", false)};
  const auto problem = [&] {
    const auto found = sync::publication_problems(known);
    REQUIRE(found.size() == 2);
    CHECK(found.back().severity == Severity::note);  // about the row filter
    return found.front().problem;
  };
  CHECK(problem().fix ==
        R"(BEGIN; ALTER TABLE "s"."log" REPLICA IDENTITY FULL; ALTER PUBLICATION "p" ADD TABLE "s"."log" )"
        "WHERE ((v > 1)); COMMIT");
  known.refusing_full = {{"s", "log"}};
  CHECK(problem().fix.empty());
  CHECK(problem().needed ==
        "give it a replica identity that has all columns of the row filter, and publish its updates with the "
        "same filter, in one transaction");
}

TEST_CASE("updates are added to a publication that publishes them") {
  PublicationFacts known = facts({stream({published(table("log", {}), "p")})});
  known.names = {"p", "q"};
  known.existing = {publication("p", false), publication("q")};
  CHECK(advice(known) ==
        R"(BEGIN; ALTER TABLE "s"."log" REPLICA IDENTITY FULL; ALTER PUBLICATION "q" ADD TABLE "s"."log"; )"
        "COMMIT");
  known.names.pop_back();
  CHECK(advice(known) == "give it a replica identity and publish its updates, in one transaction");
}

TEST_CASE("the streams of partitions fail with the stream of their root") {
  PublicationFacts known = facts({stream({partitioned("r"), partition("r1")}, true),
                                  stream({partition("r1")}, true), stream({table("a")}, true)});
  known.streams.back().tables.front() = published(table("a"), "p");
  known.existing = {publication("p")};
  known.slot = "slot";
  const auto found = sync::publication_problems(known);
  REQUIRE(found.size() == 1);
  CHECK(found.front().streams == Texts{"db-s-r", "db-s-r1"});
  CHECK(to_text(found.front().problem) ==
        R"(publication p does not publish "s"."r": changes that its streams need are missing; publish it, )"
        "then run with --full-refresh db-s-r --full-refresh db-s-r1, because replication slot slot keeps WAL "
        "until "
        R"(then: ALTER PUBLICATION "p" ADD TABLE "s"."r")");
}

TEST_CASE("an obstacle does not hide that changes are missing") {
  PublicationFacts known = facts({stream({table("a")}, true)});
  known.existing = {publication("p", false)};
  known.slot = "slot";
  const auto found = sync::publication_problems(known);
  REQUIRE(found.size() == 1);
  CHECK(to_text(found.front().problem) ==
        R"(publication p does not publish "s"."a": publication p does not publish inserts, updates and )"
        "deletes of tables that are added to it: publish them, then run with --full-refresh db-s-a, because "
        "replication slot slot keeps WAL until then: ALTER "
        R"(PUBLICATION "p" SET (publish = 'insert, update, delete, truncate'))");
}

TEST_CASE("a key column that is not published is an error of the stream") {
  pg::PublishedTable t = published(table("t"), "p");
  const auto problem = [&](int version, bool has_position) {
    PublicationFacts known = facts({stream({t}, has_position)}, version);
    known.existing = {publication("p")};
    known.slot = "slot";
    const auto found = sync::publication_problems(known);
    REQUIRE(found.size() == 1);
    CHECK(found.front().severity == Severity::error);
    CHECK(found.front().streams == Texts{"db-s-t"});
    return to_text(found.front().problem);
  };
  t.published.front().columns = {"v"};
  t.published.front().has_column_list = true;
  const std::string lacks =
      R"(publication p does not publish key column id of "s"."t", so that records would have no key: )";
  CHECK(problem(150018, true) == lacks +
                                     "publish all columns, then run with --full-refresh db-s-t, because "
                                     "replication slot slot keeps WAL until "
                                     R"(then: BEGIN; ALTER PUBLICATION "p" DROP )"
                                     R"(TABLE "s"."t"; ALTER PUBLICATION "p" ADD TABLE "s"."t"; COMMIT)");
  t.generated = {"id"};
  CHECK(problem(180000, false) ==
        lacks +
            R"(publish all columns: BEGIN; ALTER PUBLICATION "p" SET (publish_generated_columns = stored); )"
            R"(ALTER PUBLICATION "p" DROP TABLE "s"."t"; ALTER PUBLICATION "p" ADD TABLE "s"."t"; COMMIT)");
  t.published.front().has_column_list = false;
  CHECK(problem(170010, true) ==
        lacks +
            "it is a generated column: set the stream's replication-method to FULL_TABLE, or set "
            "logical_decoding_plugin to wal2json, if the server has it");
  CHECK(problem(180000, true) == lacks +
                                     "publish it, then run with --full-refresh db-s-t, because replication "
                                     "slot slot keeps WAL until then: ALTER PUBLICATION \"p\" SET "
                                     "(publish_generated_columns = stored)");
}

TEST_CASE("REPLICA IDENTITY FULL is advised only if all columns are published") {
  pg::PublishedTable log = published(table("log", {}), "p");
  PublicationFacts known = facts({stream({log})});
  known.existing = {publication("p")};
  CHECK(sync::may_be_full(known, log));
  log.published.front().columns = {"id"};
  CHECK(sync::may_be_full(known, log));  // generated columns are not checked before version 18
  known.version = ServerVersion(180000);
  CHECK_FALSE(sync::may_be_full(known, log));
  known.version = ServerVersion(150018);
  log.published.front().has_column_list = true;
  CHECK_FALSE(sync::may_be_full(known, log));
  known.existing = {publication("p", false)};
  CHECK(sync::may_be_full(known, log));
}

TEST_CASE("updates are not published of a publication whose members cannot have them") {
  PublicationFacts known = facts({stream({table("a")})});
  known.existing = {publication("p", false)};
  const auto advice_on = [&] {
    const auto found = sync::publication_problems(known);
    REQUIRE(found.size() == 1);
    return found.front().problem.needed + found.front().problem.fix;
  };
  CHECK(advice_on() ==
        R"(publish themALTER PUBLICATION "p" SET (publish = 'insert, update, delete, truncate'))");
  SECTION("for a replica identity that is missing or lacks columns of a row filter") {
    known.unidentified = {published(table("log"), "p")};
  }
  SECTION("for tables that are created later") {
    known.existing.front().has_schemas = true;
  }
  CHECK(advice_on() == "set publication_name to another publication");
}

TEST_CASE("a row filter with columns outside the replica identity blocks updates") {
  pg::PublishedTable t = published(table("t"), "p");
  t.published.front().row_filter = "(v > 1)";
  t.published.front().filter_columns = {"v"};
  t.published.front().allows_updates = t.published.front().may_publish_updates = false;
  PublicationFacts known = facts({stream({t})});
  known.existing = {publication("p")};
  const auto blocked = [&] {
    const auto found = sync::publication_problems(known);
    REQUIRE(found.size() == 2);
    CHECK(found.back().severity == Severity::breaks_source);
    return to_text(found.back().problem);
  };
  const std::string because =
      R"(the server refuses UPDATE and DELETE of "s"."t", because publication p publishes them and its row )"
      "filter there has columns that are not in its replica identity: ";
  CHECK(blocked() == because + R"(ALTER TABLE "s"."t" REPLICA IDENTITY FULL)");
  known.refusing_full = {{"s", "t"}};
  CHECK(
      blocked() ==
      because +
          R"(publish only its inserts: BEGIN; CREATE PUBLICATION "p_inserts" FOR TABLE "s"."t" WHERE ((v > 1)) )"
          R"(WITH (publish = 'insert, truncate', publish_via_partition_root = true); ALTER PUBLICATION "p" )"
          R"(DROP TABLE "s"."t"; COMMIT)");
  known.slot = "slot";
  CHECK(blocked() == because + "give it a replica identity that has them");
  known.unidentified = {published(table("u"), "p")};  // not of a stream
  known.unidentified.front().published = t.published;
  const auto found = sync::publication_problems(known);
  REQUIRE(found.size() == 3);
  CHECK(to_text(found.back().problem) ==
        R"(the server refuses UPDATE and DELETE of "s"."u", because it publishes them and their replica )"
        "identity is missing, not published, or without columns of the row filter: give them a replica "
        R"(identity: ALTER TABLE "s"."u" REPLICA IDENTITY FULL)");
}

TEST_CASE("new partitions are published only if the server will allow their updates") {
  pg::PublishedTable root = partitioned("r");
  PublicationFacts known =
      facts({stream({root, published(partition("r1"), "p"), published(partition("r2"), "p_inserts")})});
  known.existing = {publication("p"), publication("p_inserts", false)};
  known.existing.front().truncates = known.existing.back().truncates = true;
  auto& tables = known.streams.front().tables;
  tables[2] = published(partition("r2"), "p");
  const auto remedy = [&] {
    const auto found = sync::publication_problems(known);
    REQUIRE(found.size() == 1);
    CHECK(found.front().problem.found == R"(partitions of "s"."r" that are created later are not published)");
    return found.front().problem.needed + "|" + found.front().problem.fix;
  };
  CHECK(remedy() == R"(|ALTER PUBLICATION "p" ADD TABLE "s"."r")");
  tables[2] = published(partition("r2", {}), "p_inserts");
  CHECK(remedy() == R"(|BEGIN; ALTER TABLE "s"."r2" REPLICA IDENTITY FULL; ALTER PUBLICATION "p" ADD TABLE )"
                    R"("s"."r"; COMMIT)");
  tables[0].has_primary_key = false;
  CHECK(remedy() == R"(give it a primary key|BEGIN; ALTER TABLE "s"."r" ADD PRIMARY KEY (...); ALTER TABLE )"
                    R"("s"."r2" REPLICA IDENTITY DEFAULT; ALTER PUBLICATION "p" ADD TABLE "s"."r"; COMMIT)");
}
