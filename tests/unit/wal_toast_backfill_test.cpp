// SPDX-License-Identifier: Apache-2.0
#include "value_support.hpp"
#include "wal_records_support.hpp"

using namespace tap;
using namespace tap::sync;

namespace {

const pg::Relation kTable =
    relation({column("id", "integer"), column("n", "integer"), column("big", "text")});
const StreamPlan kPlan = plan_of("t", {"id", "n", "big"});

/// An update that does not change big.
change::Change update(const char* id) {
  return update_of("t", {{"id", id}, {"n", "0"}});
}

}  // namespace

TEST_CASE("a deleted row is written without the columns that WAL lacks") {
  Records made;
  WalStream& t = made.add(kPlan, kTable);
  made.write(t, update("1"));
  made.write(t, delete_from("t", {{"id", "1"}}));
  CHECK(made.all_lines() == Strings{record(R"("id":1,"n":0,"_sdc_deleted_at":null)"),
                                    record(R"("id":1,"_sdc_deleted_at":"2024-05-01T12:30:00+00:00")")});
}

TEST_CASE("many rows are read at once and written in the order of their changes") {
  Records made;
  WalStream& t = made.add(kPlan, kTable);
  for (const char* const id : {"1", "2", "3"}) {
    made.lookup.rows["t: id=" + std::string(id)] = {{"big", "large " + std::string(id)}};
  }
  made.visibility.begin("100");
  made.write(t, update("3"));
  made.write(t, insert_into("t", {{"id", "4"}, {"n", "1"}, {"big", "small"}}));
  made.write(t, update("1"));
  made.visibility.begin("101");
  made.write(t, update("2"));
  CHECK(made.all_lines() == Strings{record(R"("id":3,"n":0,"_sdc_deleted_at":null,"big":"large 3")"),
                                    record(R"("id":4,"n":1,"big":"small","_sdc_deleted_at":null)"),
                                    record(R"("id":1,"n":0,"_sdc_deleted_at":null,"big":"large 1")"),
                                    record(R"("id":2,"n":0,"_sdc_deleted_at":null,"big":"large 2")")});
  CHECK(made.lookup.asked() ==
        Strings{"visible 100 101", "read big of t: id=3", "read big of t: id=1", "read big of t: id=2"});
  std::size_t bytes = 0;
  for (const char* const id : {"3", "1", "2"}) {
    bytes +=
        record(R"("id":)" + std::string(id) + R"(,"n":0,"_sdc_deleted_at":null,"big":"large 1")").size() + 1;
  }
  CHECK(t.bytes == bytes + record(R"("id":4,"n":1,"big":"small","_sdc_deleted_at":null)").size() + 1);
}

TEST_CASE("a full batch is read without a call of release()") {
  Records made;
  WalStream& t = made.add(kPlan, kTable);
  for (int i = 0; i < 7; ++i) {
    made.write(t, update("1"));
  }
  CHECK(made.lines().empty());
  made.write(t, update("1"));
  CHECK(made.lines().size() == 8);
  for (int i = 0; i < 31; ++i) {  // small rows: four times as many at once
    made.write(t, update("1"));
  }
  CHECK(made.lines().empty());
  made.write(t, update("1"));
  CHECK(made.lines().size() == 32);
}

TEST_CASE("a large row is read alone, in its turn") {
  Records made;
  WalStream& t = made.add(kPlan, kTable);
  const std::string large(std::size_t{3} << 20U, 'x');
  made.lookup.rows["t: id=1"] = {{"big", "small"}};
  made.lookup.rows["t: id=2"] = {{"big", large}};
  made.write(t, update("2"));
  made.write(t, update("1"));
  CHECK(made.all_lines() == Strings{record(R"("id":2,"n":0,"_sdc_deleted_at":null,"big":")" + large + "\""),
                                    record(R"("id":1,"n":0,"_sdc_deleted_at":null,"big":"small")")});
  CHECK(made.lookup.asked() == Strings{"read big of t: id=2", "read big of t: id=1", "read big of t: id=2"});
}

TEST_CASE("a NULL and a value of another type are written as they were read") {
  Records made;
  WalStream& t =
      made.add(plan_of("t", {"id", "d"}), relation({column("id", "integer"), column("d", "date")}));
  made.lookup.rows["t: id=1"] = {{"d", std::nullopt}};
  made.lookup.rows["t: id=2"] = {{"d", "not a date"}};
  made.write(t, update_of("t", {{"id", "1"}}));
  made.write(t, update_of("t", {{"id", "2"}}));
  const value::Log log;
  CHECK(made.all_lines() == Strings{record(R"("id":1,"_sdc_deleted_at":null,"d":null)"),
                                    record(R"("id":2,"_sdc_deleted_at":null,"d":"not a date")")});
  CHECK(log.text() ==
        "warning public.t.d: values that were written when the column had another type than date are sent as "
        "text\n");
}

TEST_CASE("dropped columns are left out, the others are read") {
  Records made;
  WalStream& t = made.add(plan_of("t", {"id", "a", "b"}),
                          relation({column("id", "integer"), column("a", "text"), column("b", "text")}));
  made.lookup.rows["t: id=1"] = {{"b", "large"}};
  made.lookup.relations["t"] = relation({column("id", "integer"), column("b", "text")});
  made.lookup.read_errors = {pg::ServerError("column \"a\" does not exist", "42703")};
  const value::Log log;
  made.write(t, update_of("t", {{"id", "1"}}));
  CHECK(made.all_lines() == Strings{record(R"("id":1,"_sdc_deleted_at":null,"b":"large")")});
  CHECK(made.lookup.asked() == Strings{"read a,b of t: id=1", "relation t", "read b of t: id=1"});
  CHECK(log.text().empty());
}

TEST_CASE("a dropped table is reported, its records lack the columns") {
  Records made;
  WalStream& t = made.add(kPlan, kTable);
  made.lookup.relations.clear();
  made.lookup.read_errors = {pg::ServerError("relation \"t\" does not exist", "42P01")};
  const value::Log log;
  made.write(t, update("1"));
  CHECK(made.all_lines() == Strings{record(R"("id":1,"n":0,"_sdc_deleted_at":null)")});
  CHECK(log.text() ==
        "warning shop-public-t: columns that an update did not send are left out, since they cannot be read: "
        "relation \"t\" does not exist\n");
}

TEST_CASE("an error of one stream drops its incomplete records and keeps those of the others") {
  Records made;
  WalStream& t = made.add(kPlan, kTable);
  WalStream& other = made.add(plan_of("other", {"id"}), relation({column("id", "integer")}));
  made.lookup.read_errors = {pg::ServerError("permission denied for table t", "42501")};
  made.write(t, update("1"));
  made.write(other, insert_into("other", {{"id", "2"}}));
  CHECK(made.all_lines() ==
        Strings{R"({"type":"RECORD","stream":"other","record":{"id":2,"_sdc_deleted_at":null},)"
                R"("version":9000000000000,"time_extracted":"2024-05-01T12:00:00Z"})"});
  CHECK(made.errors == Strings{"permission denied for table t"});
  CHECK(t.records == 0);
  CHECK(t.bytes == 0);
}

TEST_CASE("a transient error ends the backfill, and nothing is written") {
  Records made;
  WalStream& t = made.add(kPlan, kTable);
  made.lookup.read_errors = {pg::ServerError("deadlock detected", "40P01")};
  made.write(t, update("1"));
  CHECK_THROWS_WITH(made.records().write_pending(made.lookup), "deadlock detected");
  CHECK(made.lines().empty());
  CHECK(made.records().has_pending());
}
