// SPDX-License-Identifier: Apache-2.0
#include "sync/slots/publications/publication_plan.hpp"

#include "catch.hpp"
#include "sync/slots/publications/publication_advice.hpp"
#include "sync/slots/publications/publication_problems.hpp"
#include "sync/slots/publications/publication_record.hpp"
#include "sync/slots/publications/published_rows.hpp"

using namespace tap;
using pg::ServerVersion;
using sync::PublicationFacts;
using Severity = sync::PublicationFinding::Severity;
using Texts = std::vector<std::string>;

namespace {

pg::PublishedTable table(const std::string& name, const Texts& identity = {"id"}) {
  pg::PublishedTable table;
  table.name = {"s", name};
  table.is_publishable = true;
  table.columns = {"id", "v"};
  table.identity = identity;
  return table;
}

pg::PublishedTable partitioned(const std::string& name, const Texts& identity = {"id"}) {
  pg::PublishedTable root = table(name, identity);
  root.is_partitioned = true;
  root.has_primary_key = !identity.empty();
  return root;
}

pg::PublishedTable partition(const std::string& name, const Texts& identity = {"id"}) {
  pg::PublishedTable part = table(name, identity);
  part.is_partition = true;
  return part;
}

sync::PublishedStream stream(const std::vector<pg::PublishedTable>& tables, bool has_position = false) {
  return {"db-s-" + tables.front().name.table, has_position, {"id", "v"}, {"id"}, tables};
}

PublicationFacts facts(const std::vector<sync::PublishedStream>& streams, int version = 150018) {
  PublicationFacts facts;
  facts.version = ServerVersion(version);
  facts.database = "shop";
  facts.names = {"p"};
  facts.may_create = true;
  facts.streams = streams;
  return facts;
}

pg::Publication publication(const std::string& name, bool updates = true) {
  pg::Publication publication;
  publication.name = name;
  publication.updates = publication.deletes = updates;
  return publication;
}

Texts statements(const PublicationFacts& facts, bool losing = false) {
  const sync::PublicationPlan plan = sync::plan_publications(facts, losing);
  CHECK(plan.obstacles.empty());
  return plan.statements;
}

/// Marks a table as published by `as`.
pg::PublishedTable published(pg::PublishedTable table, const std::string& as) {
  table.published.push_back({as, table.name, table.name, "", {}, false, table.columns, true});
  return table;
}

/// What to do about the updates of the only stream, which are not published.
std::string advice(const PublicationFacts& facts) {
  const auto found = sync::publication_problems(facts);
  REQUIRE(found.size() == 1);
  CHECK(found.front().severity == Severity::warning);
  CHECK(found.front().without_updates == std::vector{facts.streams.front().tables.front().name});
  const auto& [reason, needed, fix] = found.front().problem;
  return needed + (needed.empty() || fix.empty() ? "" : ": ") + fix;
}

const std::string kFull =
    R"(BEGIN; ALTER TABLE "s"."log" REPLICA IDENTITY FULL; ALTER PUBLICATION "p" ADD TABLE "s"."log"; COMMIT)";
const std::string kKey =
    R"(give it a primary key: BEGIN; ALTER TABLE "s"."log" ADD PRIMARY KEY (...); )"
    R"(ALTER TABLE "s"."log" REPLICA IDENTITY DEFAULT; ALTER PUBLICATION "p" ADD TABLE "s"."log"; COMMIT)";
const std::string kRoot = " WITH (publish_via_partition_root = true)";
const std::string kInserts = " WITH (publish = 'insert, truncate', publish_via_partition_root = true)";

}  // namespace

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
