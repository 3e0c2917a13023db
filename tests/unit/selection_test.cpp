// SPDX-License-Identifier: Apache-2.0
#include <tap/base/error.hpp>
#include <tap/discovery/selection.hpp>
#include <tap/singer/catalog.hpp>

#include "catch.hpp"

using namespace tap;
using discovery::DiscoveredStream;
using pg::RelationKind;

namespace {

/// A table with columns a (its key), b and c.
DiscoveredStream found(const std::string& schema, const std::string& name,
                       RelationKind kind = RelationKind::table) {
  TypeRows types;
  types[oids::kInt4].name = "int4";
  pg::Table table;
  table.schema = schema;
  table.name = name;
  table.kind = kind;
  table.columns = {{"a", oids::kInt4, -1, "integer", true, 1},
                   {"b", oids::kInt4, -1, "integer", false, 0},
                   {"c", oids::kInt4, -1, "integer", false, 0}};
  return {discovery::catalog_entry("db", table, types, {}), kind};
}

std::vector<DiscoveredStream> shop() {
  return {found("public", "orders"), found("public", "items"), found("audit", "orders"),
          found("public", "report", RelationKind::view)};
}

Json catalog_of(const std::vector<DiscoveredStream>& streams) {
  Json entries = Json::array();
  for (const DiscoveredStream& stream : streams) {
    entries.push_back(stream.entry);
  }
  return {{"streams", std::move(entries)}};
}

void select(std::vector<DiscoveredStream>& streams, discovery::Selection selection) {
  discovery::Selector selector(std::move(selection));
  for (DiscoveredStream& stream : streams) {
    selector.apply(stream);
  }
  selector.check_all_used();
}

void keep_selections(std::vector<DiscoveredStream>& streams, const Json& earlier) {
  discovery::EarlierCatalog catalog(earlier);
  for (DiscoveredStream& stream : streams) {
    catalog.apply(stream.entry);
  }
}

/// The synced columns of each selected stream, read as a run would read them: `audit.orders(a,b,c) `.
std::string selected(const std::vector<DiscoveredStream>& streams) {
  std::string text;
  for (const auto& stream : singer::read_catalog(catalog_of(streams), "c")) {
    if (!stream.selected) {
      continue;
    }
    std::string columns;
    for (const auto& column : stream.columns) {
      columns += column.synced ? (columns.empty() ? "" : ",") + column.name : "";
    }
    text += stream.schema_name + "." + stream.table + "(" + columns + ") ";
  }
  return text;
}

std::string select(const std::vector<std::string>& patterns) {
  auto streams = shop();
  select(streams, {patterns, std::nullopt, std::nullopt});
  return selected(streams);
}

}  // namespace

TEST_CASE("patterns select tables and columns, ! excludes") {
  CHECK(select({"*"}) ==
        "public.orders(a,b,c) public.items(a,b,c) audit.orders(a,b,c) public.report(a,b,c) ");
  CHECK(select({"public.*", "!*.report"}) == "public.orders(a,b,c) public.items(a,b,c) ");
  CHECK(select({"orders"}) == "public.orders(a,b,c) audit.orders(a,b,c) ");
  CHECK(select({"public.orders.b"}) == "public.orders(a,b) ");
  CHECK(select({"public.orders", "!public.orders.b"}) == "public.orders(a,c) ");
  CHECK(select({"*.*", "!*.*.[bc]", "!audit.*"}) == "public.orders(a) public.items(a) public.report(a) ");
  CHECK(select({}).empty());
}

TEST_CASE("a pattern that matches nothing is rejected") {
  REQUIRE_THROWS_WITH(select({"public.nothing"}),
                      "--select public.nothing: no discovered table or column matches");
  REQUIRE_THROWS_WITH(
      select({"a.b.c.d"}),
      "--select a.b.c.d: must be table, schema.table or schema.table.column (use ? for a dot in a "
      "name)");
}

TEST_CASE("method and key go to the selected streams that can have them") {
  auto streams = shop();
  select(streams, {{"*"}, singer::ReplicationMethod::log_based, std::nullopt});
  CHECK(selected(streams) == "public.orders(a,b,c) public.items(a,b,c) audit.orders(a,b,c) ");
  CHECK(singer::metadata(streams[0].entry, "")["replication-method"] == "LOG_BASED");

  streams = shop();
  select(streams, {{"public.report"}, singer::ReplicationMethod::incremental, "b"});
  CHECK(selected(streams) == "public.report(a,b,c) ");
  CHECK(singer::metadata(streams[3].entry, "")["replication-key"] == "b");
  CHECK_FALSE(singer::metadata(streams[0].entry, "").contains("replication-key"));

  streams = shop();
  select(streams, {{"*"}, singer::ReplicationMethod::incremental, "updated_at"});
  CHECK(selected(streams).empty());
}

TEST_CASE("an earlier catalog's selections are kept, by id or by the other taps' short id") {
  for (const char* id : {"db-public-orders", "public-orders"}) {
    auto before = shop();
    before.erase(before.begin() + 1, before.end());
    select(before, {{"public.orders", "!public.orders.c"}, singer::ReplicationMethod::incremental, "b"});
    before[0].entry["tap_stream_id"] = id;
    singer::metadata(before[0].entry, "")["view-key-properties"] = {"a"};
    singer::metadata(before[0].entry, "")["row-count"] = 12345;
    Json earlier = catalog_of(before);

    auto streams = shop();
    keep_selections(streams, earlier);
    CHECK(selected(streams) == "public.orders(a,b) ");
    const Json& own = singer::metadata(streams[0].entry, "");
    CHECK(own["replication-method"] == "INCREMENTAL");
    CHECK(own["replication-key"] == "b");
    CHECK(own["view-key-properties"] == Json{"a"});
    CHECK(own["row-count"] == 0);
    CHECK(streams[0].entry["tap_stream_id"] == id);
  }
}

TEST_CASE("patterns add to the selections of an earlier catalog, each with its own method") {
  const auto method_of = [](DiscoveredStream& stream) {
    return singer::metadata(stream.entry, "").value("replication-method", "none");
  };
  auto before = shop();
  select(before, {{"public.orders", "!*.*.c"}, singer::ReplicationMethod::log_based, std::nullopt});
  const Json earlier = catalog_of(before);

  auto streams = shop();
  keep_selections(streams, earlier);
  select(streams, {{"public.items"}, singer::ReplicationMethod::full_table, std::nullopt});
  CHECK(selected(streams) == "public.orders(a,b) public.items(a,b) ");
  CHECK(method_of(streams[0]) == "LOG_BASED");
  CHECK(method_of(streams[1]) == "FULL_TABLE");

  streams = shop();
  keep_selections(streams, earlier);
  select(streams, {{"public.orders.c"}, std::nullopt, std::nullopt});
  CHECK(selected(streams) == "public.orders(a,b,c) ");

  streams = shop();
  keep_selections(streams, earlier);
  select(streams, {{"!public.orders.b"}, singer::ReplicationMethod::full_table, std::nullopt});
  CHECK(selected(streams) == "public.orders(a) ");
  CHECK(method_of(streams[0]) == "LOG_BASED");

  streams = shop();
  keep_selections(streams, earlier);
  select(streams, {{"!public.orders"}, std::nullopt, std::nullopt});
  CHECK(selected(streams).empty());

  streams = shop();
  keep_selections(streams, earlier);
  select(streams, {{}, singer::ReplicationMethod::full_table, std::nullopt});
  CHECK(method_of(streams[0]) == "FULL_TABLE");
}

TEST_CASE("metadata of an earlier catalog with an unknown breadcrumb is ignored") {
  auto before = shop();
  select(before, {{"public.orders"}, singer::ReplicationMethod::full_table, std::nullopt});
  Json& metadata = before[0].entry["metadata"];
  for (const char* odd : {R"({"breadcrumb": ["properties", 5], "metadata": {}})", R"({"metadata": {}})",
                          R"({"breadcrumb": 5, "metadata": {}})",
                          R"({"breadcrumb": ["properties", "a", "b"], "metadata": {}})"}) {
    metadata.push_back(parse_json(odd, "test"));
  }
  auto streams = shop();
  keep_selections(streams, catalog_of(before));
  CHECK(selected(streams) == "public.orders(a,b,c) ");
}

TEST_CASE("tables of one id keep the ids and selections that the user gave them") {
  std::vector<DiscoveredStream> before = {found("app", "eu-orders"), found("app-eu", "orders")};
  CHECK(before[0].entry["tap_stream_id"] == before[1].entry["tap_stream_id"]);
  before[1].entry["tap_stream_id"] = "mine";
  singer::metadata(before[1].entry, "")["selected"] = true;
  std::vector<DiscoveredStream> streams = {found("app", "eu-orders"), found("app-eu", "orders")};
  keep_selections(streams, catalog_of(before));
  CHECK(streams[0].entry["tap_stream_id"] == "db-app-eu-orders");
  CHECK(streams[1].entry["tap_stream_id"] == "mine");
  CHECK(selected(streams) == "app-eu.orders(a,b,c) ");
}

TEST_CASE("the user's key of a table without a primary key is kept") {
  auto before = shop();
  Json earlier = catalog_of(before);
  auto streams = shop();
  singer::metadata(streams[0].entry, "")["table-key-properties"] = Json::array();
  keep_selections(streams, earlier);
  CHECK(singer::metadata(streams[0].entry, "")["table-key-properties"] == Json{"a"});
}
