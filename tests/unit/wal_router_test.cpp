// SPDX-License-Identifier: Apache-2.0
#include "sync/wal/records/router.hpp"
#include "value_support.hpp"
#include "wal_records_support.hpp"

using namespace tap;
using namespace tap::sync;

namespace {

const pg::Relation kTable = relation({column("id", "integer"), column("a", "text")});

std::vector<pg::ReplicaIdentity> partitioned(const std::string& root, const Strings& partitions) {
  std::vector<pg::ReplicaIdentity> tables = {identity(root)};
  tables.front().is_partitioned = true;
  for (const std::string& partition : partitions) {
    tables.push_back(identity(partition));
  }
  return tables;
}

/// An insert of transaction `xid` into a table.
change::Change insert(const char* table, const char* xid = "100") {
  change::Change made = insert_into(table, {{"id", "1"}, {"a", "x"}});
  made.xid = xid;
  return made;
}

/// The names of the streams that a change belongs to.
Strings find(Router& router, Records& made, const change::Change& change) {
  Strings names;
  for (const WalStream* const stream : router.find(made.lookup, change)) {
    names.push_back(stream->plan.name);
  }
  return names;
}

}  // namespace

TEST_CASE("changes belong to the stream of their table, unselected tables to none") {
  Records made;
  made.add(plan_of("a", {"id"}), kTable);
  made.add(plan_of("b", {"id"}), kTable);
  Router router(made.streams, made.visibility);
  CHECK(find(router, made, insert("b")) == Strings{"b"});
  CHECK(find(router, made, insert("a")) == Strings{"a"});
  CHECK(find(router, made, insert("a")) == Strings{"a"});
  CHECK(find(router, made, insert("c")).empty());
  CHECK(made.lookup.asked().empty());
  CHECK_FALSE(router.has_partitions());
  CHECK(router.tables_to_send() == "public.a,public.b");
}

TEST_CASE("names for add-tables are escaped") {
  Records made;
  made.add(plan_of("a b.c*d,\xC3\xA9_1", {"id"}), kTable);
  const Router router(made.streams, made.visibility);
  CHECK(router.known_tables() == "public.a\\ b\\.c\\*d\\,\xC3\xA9_1");
}

TEST_CASE("changes of a partition belong to its root, and to itself if it is selected") {
  Records made;
  made.add(plan_of("low", {"id"}), kTable);
  made.add(plan_of("t", {"id"}), kTable, partitioned("t", {"low", "high"}));
  Router router(made.streams, made.visibility);
  CHECK(find(router, made, insert("high")) == Strings{"t"});
  CHECK(find(router, made, insert("low")) == Strings{"low", "t"});
  CHECK(find(router, made, truncate_of("t")) == Strings{"t"});
  CHECK(made.lookup.asked().empty());
  CHECK(router.has_partitions());
  CHECK(router.tables_to_send().empty());
  CHECK(router.known_tables() == "public.high,public.low,public.t");
}

TEST_CASE("a partition that was attached while WAL is read is looked up once") {
  Records made;
  made.add(plan_of("t", {"id"}), kTable, partitioned("t", {"low"}));
  made.lookup.parents["new"] = {"new", "middle", "t"};
  Router router(made.streams, made.visibility);
  made.visibility.begin("100");
  CHECK(find(router, made, insert("new")) == Strings{"t"});
  CHECK(find(router, made, insert("low")) == Strings{"t"});
  CHECK(find(router, made, insert("new", "200")) == Strings{"t"});
  CHECK(made.lookup.asked() == Strings{"visible 100", "snapshot", "ancestors of new"});
}

TEST_CASE("an unselected table is looked up again for transactions that ended after the last lookup") {
  Records made;
  made.add(plan_of("t", {"id"}), kTable, partitioned("t", {}));
  made.lookup.parents["other"] = {"other"};
  made.lookup.snapshot = "101:103:102";
  Router router(made.streams, made.visibility);
  CHECK(find(router, made, insert("other", "100")).empty());
  CHECK(made.lookup.asked() == Strings{"snapshot", "ancestors of other"});
  CHECK(find(router, made, insert("other", "101")).empty());
  CHECK(find(router, made, insert("t", "101")) == Strings{"t"});
  CHECK(find(router, made, insert("other", "101")).empty());
  CHECK(made.lookup.asked().empty());
  // It became a partition in transaction 102, which was in progress then.
  made.lookup.parents["other"] = {"other", "t"};
  CHECK(find(router, made, insert("other", "102")) == Strings{"t"});
  CHECK(made.lookup.asked() == Strings{"snapshot", "ancestors of other"});
}

TEST_CASE("without transaction IDs, the end of WAL at the lookup counts") {
  Records made;
  made.add(plan_of("t", {"id"}), kTable, partitioned("t", {}));
  made.lookup.parents["other"] = {"other"};
  made.lookup.end = Lsn{0x50};
  Router router(made.streams, made.visibility);
  change::Change change = insert("other", "");
  change.commit_end = Lsn{0x40};
  CHECK(find(router, made, change).empty());
  CHECK(made.lookup.asked() == Strings{"snapshot", "WAL end", "ancestors of other"});
  change.commit_end = Lsn{0x50};
  CHECK(find(router, made, change).empty());
  CHECK(made.lookup.asked().empty());
  change.commit_end = Lsn{0x51};
  CHECK(find(router, made, change).empty());
  CHECK(made.lookup.asked() == Strings{"snapshot", "WAL end", "ancestors of other"});
}

TEST_CASE("changes of a dropped table that looks like a partition are reported once") {
  Records made;
  made.add(plan_of("t", {"id"}), kTable, partitioned("t", {}));
  Router router(made.streams, made.visibility);
  const value::Log log;
  CHECK(find(router, made, insert("gone", "100")).empty());
  CHECK(find(router, made, insert("gone", "101")).empty());
  CHECK(log.text() ==
        "warning changes of \"public\".\"gone\" are skipped, since no table has this name now; if it was a "
        "partition of shop-public-t that was renamed or moved, run once with --full-refresh shop-public-t\n");
}

TEST_CASE("changes of a dropped table with other columns are skipped silently") {
  Records made;
  made.add(plan_of("t", {"id"}), kTable, partitioned("t", {}));
  Router router(made.streams, made.visibility);
  const value::Log log;
  CHECK(find(router, made, insert_into("gone", {{"id", "1"}, {"other", "x"}})).empty());
  CHECK(log.text().empty());
}
