// SPDX-License-Identifier: Apache-2.0
#include "catch.hpp"
#include "sync/copy/position.hpp"

using namespace tap;
using namespace tap::sync;

namespace {

constexpr const char* kCopy =
    R"j({"snapshot":"5000:5007:5003","snapshot_lsn":900,"system":"77","timeline":3,"database":5,)j"
    R"j("columns":{"a":2,"id":1},"definitions":{"a":"16390 2 18549feb41a92ed7","id":"23"},)j"
    R"j("leaf":11,"relfilenode":111,"position":"(12,3)","done":[7,9],"expressions":{"9":"b","11":"a"}})j";

const pg::ServerVersion k94(90400);

CopyPosition position() {
  return *read_position(parse_json(kCopy, "test"));
}

pg::Partition partition(Oid oid, Oid relfilenode) {
  return {oid, "\"s\".\"t\"", true, relfilenode};
}

pg::Relation relation() {
  pg::Relation relation;
  relation.partitions = {partition(7, 107), partition(9, 109), partition(11, 111), partition(13, 113)};
  for (const char* name : {"id", "a"}) {
    pg::TableColumn& column = relation.columns.emplace_back();
    column.name = name;
    column.type = column.name == "id" ? 23 : 16390;
    relation.types[column.type] = {.name = name};
  }
  relation.types[16390].kind = 'e';
  relation.types[16390].parts = "6e,70";
  return relation;
}

}  // namespace

TEST_CASE("a position survives the bookmark") {
  CHECK(to_text(to_json(position())) == kCopy);
  CHECK(position().is_done(9));
  CHECK_FALSE(position().is_done(11));
  const std::string first =
      R"j({"snapshot":"5:5:","columns":{},"leaf":1,"relfilenode":2,"position":"(0,1)"})j";
  CHECK(to_text(to_json(*read_position(parse_json(first, "test")))) == first);
}

TEST_CASE("a malformed position is ignored") {
  for (const char* copy :
       {"5", "{}", R"j({"snapshot":"x","leaf":1,"relfilenode":2,"position":"(0,1)"})j",
        R"j({"snapshot":"5:5:","leaf":1,"relfilenode":2,"position":"0,1"})j",
        R"j({"snapshot":"5:5:","leaf":1,"relfilenode":2,"position":"(0,99999)"})j",
        R"j({"snapshot":"5:5:","leaf":-1,"relfilenode":2,"position":"(0,1)"})j",
        R"j({"snapshot":"5:5:","leaf":1,"relfilenode":2,"position":"(0,1)","done":["x"]})j",
        R"j({"snapshot":"5:5:1,x","leaf":1,"relfilenode":2,"position":"(0,1)"})j",
        R"j({"snapshot":"5:5:","columns":["a"],"leaf":1,"relfilenode":2,"position":"(0,1)"})j",
        R"j({"snapshot":"5:5:","columns":{"a":"x"},"leaf":1,"relfilenode":2,"position":"(0,1)"})j"}) {
    CAPTURE(copy);
    CHECK_FALSE(read_position(parse_json(copy, "test")).has_value());
  }
}

TEST_CASE("finished partitions send changes, the current one also its rest, the others everything") {
  const std::string since =
      "pg_catalog.age(xmin) OPERATOR(pg_catalog.<=) pg_catalog.age('5000'::pg_catalog.xid)";
  CHECK(remaining_rows_condition(position(), partition(7, 107), k94) == since);
  CHECK(remaining_rows_condition(position(), partition(11, 111), k94) ==
        "ctid OPERATOR(pg_catalog.>) '(12,3)'::pg_catalog.tid OR " + since);
  CHECK(remaining_rows_condition(position(), partition(13, 113), k94).empty());
}

TEST_CASE("before 9.4 frozen rows count as changed") {
  const std::string since =
      "pg_catalog.age(xmin) OPERATOR(pg_catalog.<=) pg_catalog.age('5000'::pg_catalog.xid) OR xmin "
      "OPERATOR(pg_catalog.=) '2'::pg_catalog.xid";
  const pg::ServerVersion before(90326);
  CHECK(remaining_rows_condition(position(), partition(7, 107), before) == since);
  CHECK(remaining_rows_condition(position(), partition(11, 111), before) ==
        "ctid OPERATOR(pg_catalog.>) '(12,3)'::pg_catalog.tid OR " + since);
}

TEST_CASE("rows are compared by transaction IDs without epoch") {
  auto late = position();
  late.origin.snapshot = "4294967301:4294967301:";
  CHECK(remaining_rows_condition(late, partition(7, 107), k94) ==
        "pg_catalog.age(xmin) OPERATOR(pg_catalog.<=) pg_catalog.age('5'::pg_catalog.xid)");
}

TEST_CASE("a copy resumes only in the same file and the same history") {
  const auto reason = [](const CopyPosition& from, const pg::Relation& to, const SnapshotOrigin& now) {
    return reason_to_restart(from, to, now, from.columns, from.where);
  };
  const auto at = [](const std::string& snapshot) {
    return SnapshotOrigin{.snapshot = snapshot, .lsn = std::nullopt, .timeline = {"77", 3}, .database = 5};
  };
  CHECK(reason(position(), relation(), at("6000:6000:")).empty());

  auto rewritten = relation();
  rewritten.partitions[2].relfilenode = 999;
  CHECK(reason(position(), rewritten, at("6000:6000:")) ==
        "the table has been rewritten (VACUUM FULL, CLUSTER, TRUNCATE or ALTER TABLE)");

  auto gone = relation();
  gone.partitions.erase(gone.partitions.begin() + 2);
  CHECK(reason(position(), gone, at("6000:6000:")) == "the table or partition where it stopped is gone");

  CHECK(reason(position(), relation(), at("4000:4000:")) ==
        "the server is behind the one it was started on, or has a different history");
  auto other = at("6000:6000:");
  other.timeline.id = 4;
  CHECK(reason(position(), relation(), other) ==
        "the server has a different history (system identifier or timeline)");
  other = at("6000:6000:");
  other.timeline.system = "78";
  CHECK(reason(position(), relation(), other) ==
        "the server has a different history (system identifier or timeline)");
  other = at("6000:6000:");
  other.database = 6;
  CHECK(reason(position(), relation(), other) == "another database has its database's name");
  auto early = position();
  early.columns.clear();
  CHECK(reason(early, relation(), at("6000:6000:")) == "an earlier version of tap-postgres started it");
}

TEST_CASE("a copy restarts when the newest transaction ID is too far away") {
  const SnapshotOrigin now{.snapshot = "5000:2000005000:5003", .lsn = std::nullopt, .database = 5};
  CHECK(reason_to_restart(position(), relation(), now, position().columns, "") ==
        "it was started too many transactions ago");
}

TEST_CASE("a copy resumes only with the same columns") {
  const SnapshotOrigin now{.snapshot = "6000:6000:", .lsn = std::nullopt, .database = 5};
  const auto reason = [&](const std::map<std::string, int>& columns) {
    return reason_to_restart(position(), relation(), now, columns, "");
  };
  CHECK(reason({{"id", 1}, {"a", 2}}).empty());
  CHECK(reason({{"id", 1}, {"a", 2}, {"b", 3}, {"c", 4}}) == "it was started without some columns (b, c)");
  CHECK(reason({{"id", 1}}) == "it was started with more columns (a)");
  CHECK(reason({{"id", 1}, {"a", 3}}) ==
        "it was started without some columns (a)");  // dropped and added again
}

TEST_CASE("a copy resumes only with the same row filter") {
  const SnapshotOrigin now{.snapshot = "6000:6000:", .lsn = std::nullopt, .database = 5};
  const auto reason = [&](const std::string& before, const std::string& after) {
    CopyPosition position = ::position();
    position.where = before;
    position.definitions = column_definitions(relation(), position.columns, !before.empty());
    const CopyPosition read = *read_position(to_json(position));
    return reason_to_restart(read, relation(), now, read.columns, after);
  };
  CHECK(reason("(n > 5\n)", "(n > 5\n)").empty());
  CHECK(reason("", "").empty());
  for (const auto& [before, after] :
       {std::pair("", "(n > 5\n)"), std::pair("(n > 5\n)", ""), std::pair("(n > 5\n)", "(n > 6\n)")}) {
    CHECK(reason(before, after) == "it was started with another row filter (where)");
  }
}

TEST_CASE("a copy resumes only with the same types and expressions") {
  const SnapshotOrigin now{.snapshot = "6000:6000:", .lsn = std::nullopt, .database = 5};
  const auto reason = [&](const pg::Relation& to, const std::string& where = "") {
    CopyPosition from = position();
    from.where = where;
    from.definitions = column_definitions(relation(), from.columns, !where.empty());
    return reason_to_restart(from, to, now, from.columns, where);
  };
  auto changed = relation();
  changed.types[16390].parts = "6e,70,71";
  CHECK(reason(changed).empty());  // a label that no earlier row has
  changed.types[16390].parts = "6f,70";
  CHECK(reason(changed) == "the labels or attributes of the type of column a were changed");
  changed.types[16390].parts = "6e";
  CHECK(reason(changed) == "the labels or attributes of the type of column a were changed");
  changed = relation();
  changed.columns[0].type = 20;
  changed.types[20] = {.name = "int8"};
  CHECK(reason(changed) == "the type of column id was changed");
  changed = relation();
  changed.columns[1].collation = 100;
  CHECK(reason(changed).empty());
  CHECK(reason(changed, "(a > 'x'\n)") ==
        "the collation of column a was changed, and the row filter (where) may use it");

  changed = relation();
  changed.columns[1].is_virtual = true;
  CHECK(reason(changed) == "the expression of a virtual generated column was changed");
  CopyPosition same = position();
  same.expressions = virtual_expressions(changed, same.columns);
  same = *read_position(to_json(same));
  changed.partitions[3].virtual_columns = "a n + 1";
  CHECK(reason_to_restart(same, changed, now, same.columns, "").empty());  // not begun
}
