// SPDX-License-Identifier: Apache-2.0
#include "publication_support.hpp"
#include "sync/slots/publications/published_rows.hpp"

using namespace tap;
using namespace tap::publication_test;

TEST_CASE("tables without a replica identity go into a publication without updates") {
  CHECK(statements(facts({stream({table("a")}), stream({table("log", {})})})) ==
        Texts{R"(CREATE PUBLICATION "p" FOR TABLE "s"."a")" + kRoot,
              R"(CREATE PUBLICATION "p_inserts" FOR TABLE "s"."log")" + kInserts});
  CHECK(statements(facts({stream({table("a")})})) ==
        Texts{R"(CREATE PUBLICATION "p" FOR TABLE "s"."a")" + kRoot,
              R"(CREATE PUBLICATION "p_inserts")" + kInserts});
}

TEST_CASE("one partition without a replica identity decides for its root") {
  CHECK(statements(facts({stream({partitioned("r"), partition("r1"), partition("r2", {})})})) ==
        Texts{R"(CREATE PUBLICATION "p")" + kRoot,
              R"(CREATE PUBLICATION "p_inserts" FOR TABLE "s"."r")" + kInserts});
  // Without partitions, the root's own primary key decides, which partitions inherit.
  CHECK(statements(facts({stream({partitioned("r")})})).front() ==
        R"(CREATE PUBLICATION "p" FOR TABLE "s"."r")" + kRoot);
  CHECK(statements(facts({stream({partitioned("r", {})})})).back() ==
        R"(CREATE PUBLICATION "p_inserts" FOR TABLE "s"."r")" + kInserts);
}

TEST_CASE("before version 13 partitions are published one by one") {
  CHECK(statements(facts({stream({partitioned("r"), partition("r1"), partition("r2", {})})}, 120022)) ==
        Texts{R"(CREATE PUBLICATION "p" FOR TABLE "s"."r1")",
              R"(CREATE PUBLICATION "p_inserts" FOR TABLE "s"."r2" WITH (publish = 'insert, truncate'))"});
}

TEST_CASE("child tables are published one by one, without their parent's ONLY") {
  pg::PublishedTable parent = table("parent");
  parent.has_children = true;
  CHECK(statements(facts({stream({parent, table("child", {})})})) ==
        Texts{R"(CREATE PUBLICATION "p" FOR TABLE ONLY "s"."parent")" + kRoot,
              R"(CREATE PUBLICATION "p_inserts" FOR TABLE "s"."child")" + kInserts});
}

TEST_CASE("a partition that is a stream of its own keeps its name") {
  const auto both = facts({stream({partitioned("r"), partition("r1")}), stream({partition("r1")})});
  CHECK(statements(both) == Texts{R"(CREATE PUBLICATION "p" FOR TABLE "s"."r")",
                                  R"(CREATE PUBLICATION "p_inserts" WITH (publish = 'insert, truncate'))"});
}

TEST_CASE("tables are added to publications that exist") {
  PublicationFacts known = facts({stream({published(table("a"), "p")}), stream({table("b")}),
                                  stream({table("log", {})}), stream({table("a")}, true)});
  known.existing = {publication("p"), publication("p_inserts", false)};
  CHECK(statements(known) == Texts{R"(ALTER PUBLICATION "p" ADD TABLE "s"."b", "s"."a")",
                                   R"(ALTER PUBLICATION "p_inserts" ADD TABLE "s"."log")"});
  known.slot = "slot";  // a stream with a position has lost changes
  CHECK(statements(known).front() == R"(ALTER PUBLICATION "p" ADD TABLE "s"."b")");
  CHECK(statements(known, true) == Texts{R"(ALTER PUBLICATION "p" ADD TABLE "s"."a")"});
}

TEST_CASE("a publication that is younger than the slot is not created") {
  PublicationFacts known = facts({stream({table("log", {})})});
  known.existing = {publication("p")};
  known.slot = "slot";
  const auto plan = sync::plan_publications(known, false);
  REQUIRE(plan.obstacles.size() == 1);
  CHECK(to_text(plan.obstacles.front().problem) ==
        R"("s"."log" has no replica identity, and publication p_inserts, which would publish its inserts, )"
        "must be older than replication slot slot: give the table a replica identity: ALTER TABLE "
        R"("s"."log" REPLICA IDENTITY FULL)");
  known.slot.reset();
  CHECK(statements(known).front().starts_with(R"(CREATE PUBLICATION "p_inserts" FOR TABLE "s"."log")"));
}

TEST_CASE("a row filter beside a publication of all rows has no effect") {
  pg::PublishedTable filtered = published(table("a"), "p");
  filtered.published.front().row_filter = "(id > 1)";
  PublicationFacts known = facts({stream({filtered})});
  known.names = {"p", "q"};
  known.existing = {publication("p"), publication("q")};
  CHECK(sync::row_filter_of(known.streams.front(), known) == "(id > 1)");
  CHECK(sync::published_units(known).front().gap == sync::PublishedUnit::Gap::none);
  known.streams = {stream({published(filtered, "q")})};
  CHECK(sync::row_filter_of(known.streams.front(), known) == "");
  CHECK(sync::published_units(known).front().gap == sync::PublishedUnit::Gap::none);
  known.existing.back().deletes = false;
  CHECK(sync::row_filter_of(known.streams.front(), known) == std::nullopt);
  CHECK(sync::published_units(known).front().gap == sync::PublishedUnit::Gap::rows);
}

TEST_CASE("the name of the publication without updates has at most 63 bytes") {
  CHECK(sync::inserts_publication("p") == "p_inserts");
  CHECK(sync::inserts_publication(std::string(63, 'x')) == std::string(55, 'x') + "_inserts");
  CHECK(sync::inserts_publication(std::string(54, 'x') + "ü") == std::string(54, 'x') + "_inserts");
}

TEST_CASE("a table that cannot be published does not keep others from being published") {
  PublicationFacts known = facts({stream({table("a")}), stream({table("log", {})})});
  known.existing = {publication("p")};
  known.slot = "slot";
  const auto plan = sync::plan_publications(known, false);
  CHECK(plan.statements == Texts{R"(ALTER PUBLICATION "p" ADD TABLE "s"."a")"});
  REQUIRE(plan.obstacles.size() == 1);
  CHECK(plan.obstacles.front().units.front().streams == std::set<std::string>{"db-s-log"});
  const auto found = sync::publication_problems(known);
  REQUIRE(found.size() == 2);
  CHECK(found.front().severity == Severity::error);
  CHECK(found.front().streams == Texts{"db-s-log"});
  CHECK(found.back().severity == Severity::note);
}

TEST_CASE("a root whose replica identity new partitions do not inherit is published without updates") {
  pg::PublishedTable root = partitioned("r");
  root.has_primary_key = false;  // REPLICA IDENTITY USING INDEX, which its partitions have, too
  for (const auto& tables : {std::vector{root}, std::vector{root, partition("r1")}}) {
    CHECK(statements(facts({stream(tables)})) ==
          Texts{R"(CREATE PUBLICATION "p")" + kRoot,
                R"(CREATE PUBLICATION "p_inserts" FOR TABLE "s"."r")" + kInserts});
  }
  PublicationFacts known =
      facts({stream({published(root, "p_inserts"), published(partition("r1"), "p_inserts")})});
  known.existing = {publication("p"), publication("p_inserts", false)};
  const auto found = sync::publication_problems(known);
  REQUIRE(found.size() == 1);
  CHECK(found.front().severity == Severity::warning);
  CHECK(
      to_text(found.front().problem) ==
      R"(updates and deletes of "s"."r" are not published, because partitions that are created later do not )"
      "inherit a replica identity, so that the server would refuse their UPDATE and DELETE: give it a "
      R"(primary key: BEGIN; ALTER TABLE "s"."r" ADD PRIMARY KEY (...); ALTER PUBLICATION "p" ADD TABLE )"
      R"("s"."r"; COMMIT)");
}

TEST_CASE("a new child table gets the row filter of its parent") {
  pg::PublishedTable parent = published(table("parent", {"id", "v"}), "p");
  parent.published.front().row_filter = "(v > 1)";
  parent.published.front().filter_columns = {"v"};
  parent.has_children = true;
  PublicationFacts known = facts({stream({parent, table("child", {"id", "v"})})});
  known.existing = {publication("p"), publication("p_inserts", false)};
  CHECK(statements(known) == Texts{R"(ALTER PUBLICATION "p" ADD TABLE "s"."child" WHERE ((v > 1)))"});
  known.streams.front().tables.back() = table("child", {});
  CHECK(statements(known) == Texts{R"(ALTER PUBLICATION "p_inserts" ADD TABLE "s"."child" WHERE ((v > 1)))"});
}

TEST_CASE("a table whose replica identity lacks columns of the row filter is not published with updates") {
  pg::PublishedTable parent = published(table("parent", {"id", "v"}), "p");
  parent.published.front().row_filter = "(v > 1)";
  parent.published.front().filter_columns = {"v"};
  PublicationFacts known = facts({stream({parent, table("child")})});
  known.existing = {publication("p"), publication("p_inserts", false)};
  const auto obstacle = [&] {
    const auto plan = sync::plan_publications(known, false);
    CHECK(plan.statements.empty());
    REQUIRE(plan.obstacles.size() == 1);
    return to_text(plan.obstacles.front().problem);
  };
  const std::string found =
      R"(the row filter (v > 1) has columns that are not in the replica identity of "s"."child": )";
  CHECK(obstacle() == found + R"(ALTER TABLE "s"."child" REPLICA IDENTITY FULL)");
  known.refusing_full = {{"s", "child"}};
  CHECK(obstacle() == found + "give it a replica identity that has them");
  // Its inserts are published with the filter already.
  known.refusing_full.clear();
  parent = published(table("child"), "p_inserts");
  parent.published.front().row_filter = "(v > 1)";
  parent.published.front().filter_columns = {"v"};
  known.streams = {stream({parent})};
  CHECK(obstacle() == found + R"(ALTER TABLE "s"."child" REPLICA IDENTITY FULL)");
  known.streams.front().tables.front().identity = {"id", "v"};
  CHECK(statements(known) == Texts{R"(ALTER PUBLICATION "p" ADD TABLE "s"."child" WHERE ((v > 1)))"});
}

TEST_CASE("a table is not added beside a column list or where its row filter is refused") {
  pg::PublishedTable listed = published(table("t"), "p_inserts");
  listed.published.front().has_column_list = true;
  PublicationFacts known = facts({stream({listed})});
  known.existing = {publication("p"), publication("p_inserts", false)};
  const auto obstacle = [&] {
    const auto plan = sync::plan_publications(known, false);
    CHECK(plan.statements.empty());
    REQUIRE(plan.obstacles.size() == 1);
    return to_text(plan.obstacles.front().problem);
  };
  CHECK(
      obstacle() ==
      R"(publication p_inserts has a column list of "s"."t", and the server refuses different columns of one )"
      R"(table in several publications: publish all columns: BEGIN; ALTER PUBLICATION "p_inserts" DROP TABLE )"
      R"("s"."t"; ALTER PUBLICATION "p_inserts" ADD TABLE "s"."t"; COMMIT)");
  pg::PublishedTable root = published(partitioned("r", {"id"}), "p_inserts");
  pg::PublishedTable part = published(partition("r1"), "p_inserts");
  root.published.front().row_filter = part.published.front().row_filter = "(id > 1)";
  root.published.front().filter_columns = part.published.front().filter_columns = {"id"};
  part.published.front().table = part.published.front().member.emplace(root.name);
  known.streams = {stream({root, part})};
  CHECK(
      obstacle() ==
      R"(publication p publishes partitions under their own names, where the server refuses a row filter of )"
      R"("s"."r": publish them under the name of their root: ALTER PUBLICATION "p" SET )"
      "(publish_via_partition_root = true)");
  known.existing.front().via_root = true;
  CHECK(statements(known) == Texts{R"(ALTER PUBLICATION "p" ADD TABLE "s"."r" WHERE ((id > 1)))"});
}
