// SPDX-License-Identifier: Apache-2.0
#include <tap/base/error.hpp>
#include <tap/sync/plan.hpp>
#include <tap/sync/row_filter.hpp>

#include "catch.hpp"
#include "sync/copy/resumable_filter.hpp"
#include "sync/copy/table_scan.hpp"

using namespace tap;
using sync::Condition;

namespace {

singer::Stream orders() {
  singer::Stream stream;
  stream.id = "shop-public-orders";
  stream.name = stream.table = "orders";
  stream.schema_name = "public";
  stream.selected = true;
  stream.replication_method = "FULL_TABLE";
  stream.columns = {{"id", true, ""}};
  return stream;
}

config::Config filtered(const std::string& name, const std::vector<std::string>& conditions) {
  config::Config config;
  config.where = {{name, conditions, "c: \"where\" of \"" + name + "\""}};
  return config;
}

sync::StreamPlan planned(const std::vector<Condition>& where) {
  sync::StreamPlan plan;
  plan.stream = orders();
  plan.where = where;
  return plan;
}

}  // namespace

TEST_CASE("a row filter names a stream by its table or its id") {
  for (const char* name : {"public.orders", "public-orders", "shop-public-orders"}) {
    CAPTURE(name);
    const config::Config config = filtered(name, {"id > 5", "id < 9"});
    const std::string place = std::string("c: \"where\" of \"") + name + "\"";
    CHECK(sync::row_filter(config, orders()) == std::vector<Condition>{{"id > 5", place}, {"id < 9", place}});
    CHECK(sync::unused_row_filters(config, {{orders()}}).empty());
  }
  for (const char* name : {"sales.orders", "public.orders2", "public.customers", "shop", ""}) {
    CAPTURE(name);
    const config::Config config = filtered(name, {"id > 5"});
    CHECK(sync::row_filter(config, orders()).empty());
    const auto unused = sync::unused_row_filters(config, {{orders()}});
    REQUIRE(unused.size() == 1);
    CHECK_FALSE(unused[0].is_error);
    CHECK(to_text(unused[0].problem) ==
          std::string("c: \"where\" of \"") + name +
              "\" names no stream of the catalog: give it as schema.table, or as the stream's tap_stream_id");
  }
}

TEST_CASE("a row filter whose name is like that of a stream without one is an error") {
  for (const char* name : {"orders", "ORDERS", "Public.orders", "public.order", "public_orders",
                           "pubic.orders", "shop-public-Orders"}) {
    CAPTURE(name);
    config::Config config = filtered(name, {"id > 5"});
    const auto unused = sync::unused_row_filters(config, {{orders()}});
    REQUIRE(unused.size() == 1);
    CHECK(unused[0].is_error);
    CHECK(
        to_text(unused[0].problem) ==
        std::string("c: \"where\" of \"") + name +
            "\" names no stream of the catalog, but is like public.orders, all rows of which would be sent: "
            "write \"public.orders\", or add \"public.orders\": [] to \"where\" if another table is meant");
    auto stream = orders();
    stream.selected = false;
    CHECK_FALSE(sync::unused_row_filters(config, {{stream}})[0].is_error);
    stream = orders();
    stream.where = {"true"};
    CHECK_FALSE(sync::unused_row_filters(config, {{stream}})[0].is_error);
    config.where.push_back({"public.orders", {}, "c"});
    CHECK_FALSE(sync::unused_row_filters(config, {{orders()}})[0].is_error);
  }
  auto stream = orders();
  stream.table = "t";
  CHECK(sync::unused_row_filters(filtered("public.T", {"true"}), {{stream}})[0].is_error);
  CHECK_FALSE(sync::unused_row_filters(filtered("public.u", {"true"}), {{stream}})[0].is_error);
}

TEST_CASE("a row filter may be that of a stream in another part of the catalog") {
  const auto unused = sync::unused_row_filters(filtered("public.order", {"true"}), {{orders()}, true});
  REQUIRE(unused.size() == 1);
  CHECK_FALSE(unused[0].is_error);
  CHECK(sync::unused_row_filters(filtered("public.items", {"true"}), {{orders()}, true}).empty());
  CHECK(sync::unused_row_filters(filtered("public.*", {"true"}), {{orders()}, true})[0].is_error);
}

TEST_CASE("a row filter for a pattern is an error") {
  for (const char* name : {"*", "public-*", "sales.*"}) {
    const auto unused = sync::unused_row_filters(filtered(name, {"true"}), {{orders()}});
    REQUIRE(unused.size() == 1);
    CHECK(unused[0].is_error);
  }
}

TEST_CASE("all row filters of the config that name a stream apply") {
  config::Config config = filtered("public.orders", {"id > 5"});
  config.where.push_back({"public-orders", {"id < 9"}, "other"});
  CHECK(sync::to_sql(sync::row_filter(config, orders())) == "(id > 5\n) AND (id < 9\n)");
}

TEST_CASE("a row filter of the metadata replaces that of the config") {
  const config::Config config = filtered("public.orders", {"id > 5"});
  auto stream = orders();
  stream.where = {"id = 1"};
  CHECK(sync::row_filter(config, stream) ==
        std::vector<Condition>{{"id = 1", "\"where\" in the stream's metadata"}});
  stream.where = std::vector<std::string>();
  CHECK(sync::row_filter(config, stream).empty());
}

TEST_CASE("a log-based stream cannot have a row filter") {
  auto stream = orders();
  stream.replication_method = "LOG_BASED";
  singer::State state;
  try {
    sync::plan(filtered("public.orders", {"id > 5"}), {stream}, {}, state);
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.code() == ExitCode::usage);
    CHECK_THAT(error.what(), Catch::Matchers::StartsWith("stream shop-public-orders is LOG_BASED, "));
  }
  stream.selected = false;
  CHECK(sync::plan(filtered("public.orders", {"id > 5"}), {stream}, {}, state).empty());
}

TEST_CASE("a query without a row filter is plain") {
  const sync::TableQuery query(planned({}), "\"id\"", "ONLY \"public\".\"orders\"");
  CHECK(query.sql() == R"(SELECT "id" FROM ONLY "public"."orders")");
  CHECK(query.sql("a OR b") == R"(SELECT "id" FROM ONLY "public"."orders" WHERE a OR b)");
}

TEST_CASE("a row filter has parentheses, a line of its own, and the table's name") {
  const sync::TableQuery query(planned({{"n = 1 OR n = 2 -- both", ""}}), "\"id\"", R"(ONLY "s"."part 1")");
  CHECK(query.sql() ==
        "SELECT \"id\" FROM ONLY \"s\".\"part 1\" AS \"orders\" WHERE "
        "(n = 1 OR n = 2 -- both\n)");
  CHECK(query.sql("a OR b") ==
        "SELECT \"id\" FROM ONLY \"s\".\"part 1\" AS \"orders\" WHERE "
        "(n = 1 OR n = 2 -- both\n) AND (a OR b)");
}

TEST_CASE("a row filter does not change the order of a table's file") {
  const sync::TableQuery query(planned({{"n = 1", ""}, {"m = 2", ""}}), "ctid, n", "t",
                               sync::TableQuery::Order::file);
  CHECK(query.sql("a") ==
        "SELECT ctid, n FROM t AS \"orders\" WHERE "
        "CASE WHEN (n = 1\n) AND (m = 2\n) THEN true END AND (a)");
  CHECK(sync::TableQuery(planned({}), "ctid, n", "t", sync::TableQuery::Order::file).sql() ==
        "SELECT ctid, n FROM t");
}

TEST_CASE("subqueries are recognized") {
  const auto has_subquery = [](const std::string& condition) {
    return sync::has_subquery({{"n = 1", ""}, {condition, ""}});
  };
  for (const char* condition : {"n IN (SELECT 1)", "n in(select 1)", "n = ANY (TABLE t)", "n IN (VALUES (1))",
                                "(WITH a AS (\nSelect\n1) TABLE a) = n"}) {
    CAPTURE(condition);
    CHECK(has_subquery(condition));
  }
  for (const char* condition :
       {"selected", "n > 5", "table_name = 'x'", "is_select", "preselect", "", "valuesx"}) {
    CAPTURE(condition);
    CHECK_FALSE(has_subquery(condition));
  }
}

TEST_CASE("conditions on nothing but the row are recognized") {
  const std::vector<std::string> columns = {"id", "n", "status", "placed", "Total", "user", "year", "public"};
  const auto depends_only_on_row = [&](const std::string& condition) {
    return sync::depends_only_on_row({{"n = 1", ""}, {condition, ""}}, "t", columns);
  };
  for (const char* condition :
       {"", "true", "id % 2 = 0 -- even", "t.id BETWEEN 1 AND 1e3 OR NOT n IN (1, 2)", "STATUS <> 'it''s'",
        "(status)::varchar(10) LIKE 'a%' AND \"Total\" > -.5", "placed >= date '2026-01-01'",
        "CASE WHEN n IS NULL THEN false ELSE n IS DISTINCT FROM 3 END", "\"user\" = 'select f()' OR year = 1",
        "placed AT TIME ZONE 'UTC' < timestamp with time zone '2026-01-01 00:00Z'", "n = ANY (ARRAY[1, 2])",
        "t.year = 1 AND t . \"Total\" > 1.5", "t.user = 'a' OR t IS NULL",
        "n::numeric(10, 2) > CAST(status AS int) -- (", "n IN -- one\n (1)",
        "(status) = 'a'\n AND 'b' = status"}) {
    CAPTURE(condition);
    CHECK(depends_only_on_row(condition));
  }
  for (const char* condition : {"id IN (SELECT id FROM t)",
                                "placed <= now()",
                                "placed < CURRENT_DATE",
                                "placed > 'Today'",
                                "placed > timestamptz ' now'",
                                "user = status",
                                "status(t) = 'a'",
                                "status -- a\n (t)",
                                "\"n\"(t) = 1",
                                "t.other = 1",
                                "public.f(n) > 1",
                                "other > 1",
                                "total > 1",
                                "\"N\" > 1",
                                "n = 1 /* now */",
                                "n = $1",
                                "status = E'\\x6eow'",
                                "status = 'open",
                                "\"n",
                                "status = $$a$$",
                                "id IN (TABLE t)",
                                "status::regclass = 't'::regclass",
                                "n < year(n)",
                                "n < day -- a\n -- b\n (n)",
                                "date(t) > date '2026-01-01'",
                                "isnull(n)",
                                "like (status, 'a')",
                                "n < t.day",
                                "n < t . text",
                                "n < t.t",
                                "n < t.n(1)",
                                "(t).n > 1",
                                "status.n > 1",
                                "public.int (n) > 1",
                                "public.t.n > 1",
                                "t.* IS NULL",
                                "placed > 'n'\n'ow'",
                                "placed > 'n' -- a\n 'ow'",
                                "placed > ('n' || 'ow')::timestamptz",
                                "status 'now'",
                                "\"status\" 'a' = 'a'",
                                "n::status = 'a'",
                                "n::\"status\" = 'a'",
                                "CAST(n AS status) = 'a'",
                                "status COLLATE status = 'a'"}) {
    CAPTURE(condition);
    CHECK_FALSE(depends_only_on_row(condition));
  }
}
