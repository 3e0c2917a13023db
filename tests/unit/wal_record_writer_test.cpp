// SPDX-License-Identifier: Apache-2.0
#include "value_support.hpp"
#include "wal_records_support.hpp"

using namespace tap;
using namespace tap::sync;

namespace {

const pg::Relation kTable = relation({column("id", "integer"), column("a", "text")});

pg::ReplicaIdentity full_identity(bool defers_keys) {
  pg::ReplicaIdentity made = identity("t");
  made.identity = {"id", "a"};
  made.is_full = true;
  made.defers_keys = defers_keys;
  return made;
}

}  // namespace

TEST_CASE("inserts, updates and deletes become records") {
  Records made;
  WalStream& t = made.add(plan_of("t", {"id", "a"}), kTable);
  made.write(t, insert_into("t", {{"id", "1"}, {"a", "x\"y"}}));
  made.write(t, update_of("t", {{"id", "1"}, null_of("a")}, {{"id", "1"}}));
  made.write(t, delete_from("t", {{"id", "1"}}));
  CHECK(made.lines() ==
        Strings{R"({"type":"RECORD","stream":"t","record":{"id":1,"a":"x\"y","_sdc_deleted_at":null},)"
                R"("version":9000000000000,"time_extracted":"2024-05-01T12:00:00Z"})",
                R"({"type":"RECORD","stream":"t","record":{"id":1,"a":null,"_sdc_deleted_at":null},)"
                R"("version":9000000000000,"time_extracted":"2024-05-01T12:00:00Z"})",
                R"({"type":"RECORD","stream":"t","record":{"id":1,)"
                R"("_sdc_deleted_at":"2024-05-01T12:30:00+00:00"},)"
                R"("version":9000000000000,"time_extracted":"2024-05-01T12:00:00Z"})"});
  CHECK(made.records().count() == 3);
  CHECK(t.records == 3);
  CHECK(made.lookup.asked().empty());
}

TEST_CASE("records without version, with sequence and LSN") {
  Records made;
  made.config.log.sequence = true;
  made.config.log.lsn_column = true;
  WalStream& t = made.add(plan_of("t", {"id"}), relation({column("id", "integer")}), {}, "{}");
  made.records().raise_sequence(kVersion);
  made.write(t, insert_into("t", {{"id", "1"}}), Lsn{0x1A});
  made.write(t, delete_from("t", {{"id", "1"}}), Lsn{0x1B});
  CHECK(made.lines() ==
        Strings{R"({"type":"RECORD","stream":"t","record":{"id":1,"_sdc_deleted_at":null,"_sdc_lsn":"26"},)"
                R"("sequence":9000000000001,"time_extracted":"2024-05-01T12:00:00Z"})",
                R"({"type":"RECORD","stream":"t","record":{"id":1,)"
                R"("_sdc_deleted_at":"2024-05-01T12:30:00+00:00","_sdc_lsn":"27"},)"
                R"("sequence":9000000000002,"time_extracted":"2024-05-01T12:00:00Z"})"});
  CHECK(made.records().sequence() == kVersion + 2);
}

TEST_CASE("columns that are not synced are left out, bytea gets its prefix") {
  Records made;
  const pg::Relation table =
      relation({column("id", "integer"), column("secret", "text"), column("b", "bytea")});
  StreamPlan plan = plan_of("t", {"id", "b"});
  plan.stream.columns.push_back({"secret", false, ""});
  WalStream& t = made.add(plan, table);
  made.write(t, insert_into("t", {{"id", "1"}, {"secret", "x"}, {"b", "00ff"}}));
  made.write(t, delete_from("t", {{"secret", "x"}}));
  CHECK(made.lines() == Strings{record(R"("id":1,"b":"\\x00ff","_sdc_deleted_at":null)"),
                                record(R"("_sdc_deleted_at":"2024-05-01T12:30:00+00:00")")});
}

TEST_CASE("an update of the key deletes the old key, then writes the new row") {
  Records made;
  WalStream& t = made.add(plan_of("t", {"id", "a"}), kTable);
  made.write(t, update_of("t", {{"id", "2"}, {"a", "x"}}, {{"id", "1"}}));
  CHECK(made.lines() == Strings{record(R"("id":1,"_sdc_deleted_at":"2024-05-01T12:30:00+00:00")"),
                                record(R"("id":2,"a":"x","_sdc_deleted_at":null)")});
}

TEST_CASE("where keys are checked at commit, the row that has the old key now follows its delete") {
  Records made;
  WalStream& t = made.add(plan_of("t", {"id", "a"}), kTable, {full_identity(true)});
  made.lookup.rows["t: id=2"] = {{"id", "2"}, {"a", "one"}};
  made.visibility.begin("100");
  // UPDATE t SET id = id + 1
  made.write(t, update_of("t", {{"id", "2"}, {"a", "one"}}, {{"id", "1"}, {"a", "one"}}));
  made.write(t, update_of("t", {{"id", "3"}, {"a", "two"}}, {{"id", "2"}, {"a", "two"}}));
  CHECK(made.all_lines() ==
        Strings{record(R"("id":1,"a":"one","_sdc_deleted_at":"2024-05-01T12:30:00+00:00")"),
                // no row has the key 1 now
                record(R"("id":2,"a":"one","_sdc_deleted_at":null)"),
                record(R"("id":2,"a":"two","_sdc_deleted_at":"2024-05-01T12:30:00+00:00")"),
                record(R"("_sdc_deleted_at":null,"id":2,"a":"one")"),
                record(R"("id":3,"a":"two","_sdc_deleted_at":null)")});
  CHECK(made.lookup.asked() == Strings{"visible 100", "read id,a of t: id=1", "read id,a of t: id=2"});
  CHECK(t.records == 5);
}

TEST_CASE("a full replica identity has the unchanged values itself") {
  Records made;
  WalStream& t = made.add(plan_of("t", {"id", "a"}), kTable, {full_identity(false)});
  made.write(t, update_of("t", {{"id", "1"}}, {{"id", "1"}, {"a", "large"}}));
  CHECK(made.lines() == Strings{record(R"("id":1,"a":"large","_sdc_deleted_at":null)")});
  CHECK(made.lookup.asked().empty());
}

TEST_CASE("NULLs in the old row of a partitioned table are values that WAL lacks") {
  Records made;
  pg::ReplicaIdentity partitioned = full_identity(false);
  partitioned.is_partitioned = true;
  WalStream& t = made.add(plan_of("t", {"id", "a"}), kTable, {partitioned, identity("t1")});
  made.lookup.rows["t: id=2"] = {{"id", "2"}, {"a", "large"}};
  // of partition t1, whose replica identity is its key
  made.write(t, update_of("t", {{"id", "2"}}, {{"id", "1"}, null_of("a")}));
  made.write(t, update_of("t", {{"id", "2"}, {"a", "x"}}, {null_of("id"), {"a", "large"}}));
  made.write(t, delete_from("t", {{"id", "2"}, null_of("a")}));
  // of a partition that the publication publishes as itself
  made.write(t, delete_from("t1", {{"id", "3"}, null_of("a")}));
  CHECK(made.all_lines() ==
        Strings{record(R"("id":1,"_sdc_deleted_at":"2024-05-01T12:30:00+00:00")"),
                record(R"("id":2,"_sdc_deleted_at":null,"a":"large")"),
                record(R"("id":2,"a":"x","_sdc_deleted_at":null)"),
                record(R"("id":2,"_sdc_deleted_at":"2024-05-01T12:30:00+00:00")"),
                record(R"("id":3,"a":null,"_sdc_deleted_at":"2024-05-01T12:30:00+00:00")")});
}

TEST_CASE("an unchanged TOAST column is read by the key, later records wait for it") {
  Records made;
  WalStream& t = made.add(plan_of("t", {"id", "a"}), kTable);
  made.lookup.rows["t: id=1"] = {{"id", "1"}, {"a", "large"}};
  made.visibility.begin("100");
  made.write(t, update_of("t", {{"id", "1"}}));
  made.write(t, insert_into("t", {{"id", "2"}, {"a", "x"}}));
  CHECK(made.lines().empty());
  CHECK(made.records().has_pending());
  CHECK(made.all_lines() == Strings{record(R"("id":1,"_sdc_deleted_at":null,"a":"large")"),
                                    record(R"("id":2,"a":"x","_sdc_deleted_at":null)")});
  CHECK_FALSE(made.records().has_pending());
  CHECK(made.lookup.asked() == Strings{"visible 100", "read a of t: id=1"});
}

TEST_CASE("an unchanged TOAST column without a key is left out, with one warning") {
  Records made;
  WalStream& t = made.add(plan_of("t", {"id", "a"}), kTable);
  const value::Log log;
  made.write(t, update_of("t", {null_of("id")}));
  made.write(t, update_of("t", {null_of("id")}));
  CHECK(made.lines() == Strings{record(R"("id":null,"_sdc_deleted_at":null)"),
                                record(R"("id":null,"_sdc_deleted_at":null)")});
  CHECK(log.text() ==
        "warning shop-public-t: column a is left out of records of updates that do not change it, since WAL "
        "does not have it; run ALTER TABLE \"public\".\"t\" REPLICA IDENTITY FULL\n");
}

TEST_CASE("unchanged TOAST columns are left out if the config says so") {
  Records made;
  made.config.log.fetch_unchanged_toast = false;
  WalStream& t = made.add(plan_of("t", {"id", "a"}), kTable);
  const value::Log log;
  made.write(t, update_of("t", {{"id", "1"}}));
  CHECK(made.lines() == Strings{record(R"("id":1,"_sdc_deleted_at":null)")});
  CHECK(made.lookup.asked().empty());
}

TEST_CASE("a virtual generated column is read by the key of an insert, too") {
  Records made;
  pg::Relation table = kTable;
  table.columns[1].is_virtual = true;
  WalStream& t = made.add(plan_of("t", {"id", "a"}), table);
  made.lookup.rows["t: id=1"] = {{"id", "1"}, {"a", "twice"}};
  made.write(t, insert_into("t", {{"id", "1"}, null_of("a")}));
  CHECK(made.all_lines() == Strings{record(R"("id":1,"_sdc_deleted_at":null,"a":"twice")")});
  CHECK(made.lookup.asked() == Strings{"read a of t: id=1"});
}

TEST_CASE("a new column is looked up once and left out") {
  Records made;
  WalStream& t = made.add(plan_of("t", {"id", "a"}), kTable);
  made.lookup.relations["t"] =
      relation({column("id", "integer"), column("a", "text"), column("new", "text")});
  made.visibility.begin("100");
  const value::Log log;
  made.write(t, insert_into("t", {{"id", "1"}, {"a", "x"}, {"new", "n"}}));
  made.write(t, insert_into("t", {{"id", "2"}, {"a", "x"}, {"new", "n"}}));
  CHECK(made.lines() == Strings{record(R"("id":1,"a":"x","_sdc_deleted_at":null)"),
                                record(R"("id":2,"a":"x","_sdc_deleted_at":null)")});
  CHECK(made.lookup.asked() == Strings{"visible 100", "relation t"});
  CHECK(
      log.text() ==
      "warning shop-public-t: column new is not in the catalog and is left out; run discovery again to sync "
      "it\n");
}

TEST_CASE("a new column that is synced begins a new schema") {
  Records made;
  StreamPlan plan = plan_of("t", {"id"});
  plan.adds_new_columns = true;
  WalStream& t = made.add(plan, relation({column("id", "integer")}));
  made.lookup.relations["t"] = kTable;
  made.write(t, insert_into("t", {{"id", "1"}}));
  made.write(t, insert_into("t", {{"id", "2"}, {"a", "x"}}));
  CHECK(made.lines() == Strings{record(R"("id":1,"_sdc_deleted_at":null)"),
                                R"({"type":"SCHEMA","stream":"t","schema":{"type":"object","properties":{)"
                                R"("id":{"type":"integer"},"a":{"type":["null","string"]},)"
                                R"("_sdc_deleted_at":{"type":["null","string"],"format":"date-time"}}},)"
                                R"("key_properties":["id"],"bookmark_properties":["lsn"]})",
                                record(R"("id":2,"a":"x","_sdc_deleted_at":null)")});
  CHECK(made.lookup.asked() == Strings{"relation t"});
}

TEST_CASE("new columns are looked up again after a lookup that was interrupted") {
  Records made;
  StreamPlan plan = plan_of("t", {"id"});
  plan.adds_new_columns = true;
  WalStream& t = made.add(plan, relation({column("id", "integer")}));
  made.lookup.relations["t"] = relation({column("id", "integer"), column("a", "text"), column("b", "text")});
  made.lookup.relation_errors.emplace_back(ExitCode::run_failed, "the connection was lost");
  const auto change = insert_into("t", {{"id", "1"}, {"a", "x"}, {"b", "y"}});
  CHECK_THROWS_AS(made.write(t, change), pg::TransientError);
  made.records().discard_pending();
  made.write(t, change);
  CHECK(made.lines().back() == record(R"("id":1,"a":"x","b":"y","_sdc_deleted_at":null)"));
  CHECK(made.lookup.asked() == Strings{"relation t", "relation t"});
}

TEST_CASE("a column that was dropped since is looked up once, then left out") {
  Records made;
  WalStream& t = made.add(plan_of("t", {"id"}), relation({column("id", "integer")}));
  made.write(t, insert_into("t", {{"id", "1"}, {"gone", "x"}}));
  made.write(t, insert_into("t", {{"id", "2"}, {"gone", "x"}}));
  CHECK(made.lines() ==
        Strings{record(R"("id":1,"_sdc_deleted_at":null)"), record(R"("id":2,"_sdc_deleted_at":null)")});
  CHECK(made.lookup.asked() == Strings{"relation t"});
}

TEST_CASE("an insert without a column shows that it was dropped, and the schema loses it") {
  Records made;
  WalStream& t = made.add(plan_of("t", {"id", "a"}), kTable);
  made.lookup.relations["t"] = relation({column("id", "integer")});
  made.write(t, insert_into("t", {{"id", "1"}}));
  made.write(t, insert_into("t", {{"id", "2"}}));
  CHECK(made.lines() == Strings{R"({"type":"SCHEMA","stream":"t","schema":{"type":"object","properties":{)"
                                R"("id":{"type":"integer"},)"
                                R"("_sdc_deleted_at":{"type":["null","string"],"format":"date-time"}}},)"
                                R"("key_properties":["id"],"bookmark_properties":["lsn"]})",
                                record(R"("id":1,"_sdc_deleted_at":null)"),
                                record(R"("id":2,"_sdc_deleted_at":null)")});
  CHECK(made.lookup.asked() == Strings{"relation t"});
}

TEST_CASE("an insert from before a column was added gets its value from the table") {
  Records made;
  WalStream& t = made.add(plan_of("t", {"id", "a"}), kTable);
  made.lookup.rows["t: id=1"] = {{"id", "1"}, {"a", "default"}};
  made.write(t, insert_into("t", {{"id", "1"}}));
  CHECK(made.all_lines() == Strings{record(R"("id":1,"_sdc_deleted_at":null,"a":"default")")});
  CHECK(made.lookup.asked() == Strings{"relation t", "read a of t: id=1"});
}

TEST_CASE("a value that does not fit its column is sent by the new type of the column") {
  Records made;
  WalStream& t =
      made.add(plan_of("t", {"id", "a"}), relation({column("id", "integer"), column("a", "integer")}));
  made.lookup.relations["t"] = kTable;
  made.write(t, insert_into("t", {{"id", "1"}, {"a", "7"}}));
  made.write(t, insert_into("t", {{"id", "2"}, {"a", "seven"}}));
  CHECK(made.lines() == Strings{record(R"("id":1,"a":7,"_sdc_deleted_at":null)"),
                                record(R"("id":2,"a":"seven","_sdc_deleted_at":null)")});
  CHECK(made.lookup.asked() == Strings{"relation t"});
}

TEST_CASE("a value older than the type of its column is sent as text after one lookup") {
  Records made;
  WalStream& t =
      made.add(plan_of("t", {"id", "a"}), relation({column("id", "integer"), column("a", "integer")}));
  const value::Log log;
  made.write(t, insert_into("t", {{"id", "1"}, {"a", "one"}}));
  made.write(t, update_of("t", {{"id", "2"}, {"a", "two"}}, {{"id", "1"}}));
  CHECK(made.lines() == Strings{record(R"("id":1,"a":"one","_sdc_deleted_at":null)"),
                                record(R"("id":1,"_sdc_deleted_at":"2024-05-01T12:30:00+00:00")"),
                                record(R"("id":2,"a":"two","_sdc_deleted_at":null)")});
  CHECK(made.lookup.asked() == Strings{"relation t"});
  CHECK(log.text() ==
        "warning public.t.a: values that were written when the column had another type than integer are sent "
        "as text\n");
}

TEST_CASE("a change with an unknown column and a value that does not fit costs one lookup") {
  Records made;
  WalStream& t =
      made.add(plan_of("t", {"id", "a"}), relation({column("id", "integer"), column("a", "integer")}));
  made.write(t, insert_into("t", {{"id", "1"}, {"a", "one"}, {"gone", "x"}}));
  CHECK(made.lines() == Strings{record(R"("id":1,"a":"one","_sdc_deleted_at":null)")});
  CHECK(made.lookup.asked() == Strings{"relation t"});
}

TEST_CASE("changes of a dropped table are sent with its last columns") {
  Records made;
  WalStream& t = made.add(plan_of("t", {"id", "a"}), kTable);
  made.lookup.relations.clear();
  made.write(t, insert_into("t", {{"id", "1"}, {"a", "x"}, {"new", "n"}}));
  made.write(t, delete_from("t", {{"id", "one"}}));
  CHECK(made.lines() == Strings{record(R"("id":1,"a":"x","_sdc_deleted_at":null)"),
                                record(R"("id":"one","_sdc_deleted_at":"2024-05-01T12:30:00+00:00")")});
  CHECK(made.lookup.asked() == Strings{"relation t", "relation t"});
}

TEST_CASE("pending records are written before the table is looked up again") {
  Records made;
  WalStream& t = made.add(plan_of("t", {"id", "a"}), kTable);
  made.lookup.rows["t: id=1"] = {{"id", "1"}, {"a", "large"}};
  made.visibility.begin("100");
  made.write(t, update_of("t", {{"id", "1"}}));
  made.visibility.begin("101");
  made.write(t, insert_into("t", {{"id", "2"}, {"a", "x"}, {"new", "n"}}));
  CHECK(made.lines() == Strings{record(R"("id":1,"_sdc_deleted_at":null,"a":"large")"),
                                record(R"("id":2,"a":"x","_sdc_deleted_at":null)")});
  CHECK(made.lookup.asked() == Strings{"visible 100", "read a of t: id=1", "visible 101", "relation t"});
}

TEST_CASE("a table of the same name that replaced another is reported") {
  Records made;
  const value::Log log;
  const std::string warning =
      "warning shop-public-t: the table was replaced (created again, or swapped by renaming), and WAL has "
      "only "
      "the changes made since then; to sync its other rows and remove those of the previous table, run once "
      "with --full-refresh shop-public-t\n";
  WalStream& t = made.add(plan_of("t", {"id", "a"}), kTable, {}, R"({"lsn":1,"table_oid":999})");
  CHECK(log.text() == warning);
  made.lookup.relations["t"] = relation({column("id", "integer"), column("a", "text")}, 1001);
  made.write(t, insert_into("t", {{"id", "1"}, {"a", "x"}, {"gone", "n"}}));
  CHECK(log.text() == warning + warning);
}

TEST_CASE("a stream whose table loses its key column fails") {
  Records made;
  WalStream& t = made.add(plan_of("t", {"id", "a"}), kTable);
  made.lookup.relations["t"] = relation({column("a", "text")});
  CHECK_THROWS_WITH(made.write(t, insert_into("t", {{"a", "x"}})),
                    "key column id is no longer in the table: run discovery again");
  CHECK(made.lines().empty());
}

TEST_CASE("discarded records are not written") {
  Records made;
  WalStream& t = made.add(plan_of("t", {"id", "a"}), kTable);
  made.visibility.begin("100");
  made.write(t, update_of("t", {{"id", "1"}}));
  made.records().discard_pending();
  CHECK(made.all_lines().empty());
  CHECK(made.lookup.asked().empty());
}
