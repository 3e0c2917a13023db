// SPDX-License-Identifier: Apache-2.0
#include "value_support.hpp"
#include "wal_records_support.hpp"

using namespace tap;
using namespace tap::sync;

namespace {

const pg::Relation kTable = relation({column("id", "integer")});
const StreamPlan kPlan = plan_of("t", {"id"});

const std::string kNewVersion = R"({"type":"ACTIVATE_VERSION","stream":"t","version":9000000000001})";

std::string warning_of(const std::string& table) {
  return "warning shop-public-t: \"public\".\"" + table +
         "\" was truncated; its rows stay in the target, since Singer can only empty a whole stream: to "
         "remove "
         "them, run once with --full-refresh shop-public-t\n";
}

}  // namespace

TEST_CASE("truncating a table begins a new version after the pending records") {
  Records made;
  WalStream& t =
      made.add(plan_of("t", {"id", "a"}), relation({column("id", "integer"), column("a", "text")}));
  made.lookup.rows["t: id=1"] = {{"id", "1"}, {"a", "large"}};
  const value::Log log;
  made.write(t, update_of("t", {{"id", "1"}}));
  made.write(t, truncate_of("t"));
  made.write(t, insert_into("t", {{"id", "2"}, {"a", "x"}}));
  CHECK(made.records().end_transaction());
  CHECK(made.lines() ==
        Strings{record(R"("id":1,"_sdc_deleted_at":null,"a":"large")"), kNewVersion,
                R"({"type":"RECORD","stream":"t","record":{"id":2,"a":"x","_sdc_deleted_at":null},)"
                R"("version":9000000000001,"time_extracted":"2024-05-01T12:00:00Z"})"});
  CHECK_FALSE(made.records().end_transaction());
  CHECK(log.text().empty());
}

TEST_CASE("a stream without versions keeps the rows of a truncated table") {
  Records made;
  WalStream& t = made.add(kPlan, kTable, {}, R"({"lsn":1})");
  const value::Log log;
  made.write(t, truncate_of("t"));
  CHECK_FALSE(made.records().end_transaction());
  CHECK(made.lines().empty());
  CHECK(log.text() == warning_of("t"));
}

TEST_CASE("truncating one partition keeps its rows, truncating the partitioned table begins a version") {
  Records made;
  pg::ReplicaIdentity root = identity("t");
  root.is_partitioned = true;
  WalStream& t = made.add(kPlan, kTable, {root, identity("low"), identity("high")});
  const value::Log log;
  made.write(t, truncate_of("low"));
  CHECK_FALSE(made.records().end_transaction());
  CHECK(made.lines().empty());
  CHECK(log.text() == warning_of("low"));

  made.write(t, truncate_of("t"));
  made.write(t, truncate_of("low"));
  made.write(t, truncate_of("high"));
  CHECK(made.records().end_transaction());
  CHECK(made.lines() == Strings{kNewVersion});
  CHECK(log.text() == warning_of("low"));
}

TEST_CASE("truncating all partitions by one command begins one version, whether or not WAL names the root") {
  Records made;
  pg::ReplicaIdentity root = identity("t");
  root.is_partitioned = true;
  WalStream& t = made.add(kPlan, kTable, {root, identity("low"), identity("high")});
  made.write(t, truncate_of("low"), Lsn{0x20});
  made.write(t, truncate_of("high"), Lsn{0x20});
  CHECK(made.lines() == Strings{kNewVersion});
  CHECK(made.records().end_transaction());
  made.write(t, truncate_of("low"), Lsn{0x40});
  made.write(t, truncate_of("high"), Lsn{0x60});
  CHECK_FALSE(made.records().end_transaction());
}

TEST_CASE("a table with child tables is empty once one command has truncated all of them") {
  Records made;
  WalStream& t = made.add(kPlan, kTable, {identity("t"), identity("kid")});
  made.visibility.begin("100");
  const value::Log log;
  made.write(t, truncate_of("t"), Lsn{0x20});
  CHECK(made.lines().empty());
  made.write(t, truncate_of("kid"), Lsn{0x20});
  CHECK(made.lines() == Strings{kNewVersion});
  CHECK(made.records().end_transaction());
  CHECK(made.lookup.asked() == Strings{"visible 100", "partitions of t", "partitions of t"});
  CHECK(log.text().empty());
}

TEST_CASE("two commands that truncate the tables of a stream do not empty it") {
  Records made;
  WalStream& t = made.add(kPlan, kTable, {identity("t"), identity("kid")});
  const value::Log log;
  made.write(t, truncate_of("t"), Lsn{0x20});
  made.write(t, truncate_of("kid"), Lsn{0x30});
  CHECK_FALSE(made.records().end_transaction());
  CHECK(made.lines().empty());
  CHECK(log.text() == warning_of("t") + warning_of("kid"));
}

TEST_CASE("a child table that was attached meanwhile must have been truncated, too") {
  Records made;
  WalStream& t = made.add(kPlan, kTable, {identity("t"), identity("kid")});
  made.lookup.partitions["t"].push_back(identity("newer"));
  const value::Log log;
  made.write(t, truncate_of("t"));
  made.write(t, truncate_of("kid"));
  CHECK(made.lines().empty());
  made.write(t, truncate_of("newer"));
  CHECK(made.lines() == Strings{kNewVersion});
}
