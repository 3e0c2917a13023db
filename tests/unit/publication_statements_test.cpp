// SPDX-License-Identifier: Apache-2.0
#include <tap/pg/catalog/publication_statements.hpp>

#include "catch.hpp"

using namespace tap;
using pg::ServerVersion;

namespace {

const ServerVersion k10(100023);
const ServerVersion k12(120022);
const ServerVersion k15(150018);
const ServerVersion k18(180006);

}  // namespace

TEST_CASE("a publication is created with the options that the server knows") {
  const pg::NewPublication everything{
      "tap_postgres", {{{"shop", "orders"}}, {{"shop", "parent"}, true}}, false, true};
  const std::string begin =
      R"(CREATE PUBLICATION "tap_postgres" FOR TABLE "shop"."orders", ONLY "shop"."parent")";
  CHECK(pg::create_publication(everything, k12) == begin);
  CHECK(pg::create_publication(everything, k15) == begin + " WITH (publish_via_partition_root = true)");
  CHECK(pg::create_publication(everything, k18) ==
        begin + " WITH (publish_via_partition_root = true, publish_generated_columns = stored)");
}

TEST_CASE("a publication of inserts names its actions") {
  const pg::NewPublication inserts{"p_inserts", {{{"s", "log"}}}, true, false};
  const std::string begin = R"(CREATE PUBLICATION "p_inserts" FOR TABLE "s"."log")";
  CHECK(pg::create_publication(inserts, k10) == begin + " WITH (publish = 'insert')");
  CHECK(pg::create_publication(inserts, k15) == begin + " WITH (publish = 'insert, truncate')");
  CHECK(pg::create_publication({"p_inserts", {}, true, true}, k15) ==
        R"(CREATE PUBLICATION "p_inserts" WITH (publish = 'insert, truncate', )"
        "publish_via_partition_root = true)");
}

TEST_CASE("a publication is altered with quoted names") {
  CHECK(pg::add_tables(R"(my "p")", {{{"a b", "t"}}, {{"s", "T"}}}) ==
        R"(ALTER PUBLICATION "my ""p""" ADD TABLE "a b"."t", "s"."T")");
  CHECK(pg::drop_tables("p", {{{"s", "t"}}}) == R"(ALTER PUBLICATION "p" DROP TABLE "s"."t")");
  CHECK(pg::set_actions("p", {"insert", "update"}, k10) ==
        R"(ALTER PUBLICATION "p" SET (publish = 'insert, update'))");
  CHECK(pg::set_actions("p", {"insert"}, k15) ==
        R"(ALTER PUBLICATION "p" SET (publish = 'insert, truncate'))");
  CHECK(pg::set_option("p", "publish_via_partition_root", "false") ==
        R"(ALTER PUBLICATION "p" SET (publish_via_partition_root = false))");
}

TEST_CASE("updates may be published of a table with a replica identity that is published entirely") {
  pg::PublishedTable table;
  table.columns = {"id", "stored", "virtual"};
  CHECK_FALSE(pg::may_publish_updates(table, k15, true));
  table.identity = {"id"};
  CHECK(pg::may_publish_updates(table, k18, false));
  table.identity = {"id", "stored"};
  table.generated = {"stored"};
  CHECK(pg::may_publish_updates(table, k15, false));
  CHECK(pg::may_publish_updates(table, k18, true));
  CHECK_FALSE(pg::may_publish_updates(table, k18, false));
  table.identity = {"id", "stored", "virtual"};  // REPLICA IDENTITY FULL
  table.virtuals = {"virtual"};
  CHECK_FALSE(pg::may_publish_updates(table, k18, true));
}
