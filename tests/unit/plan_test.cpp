// SPDX-License-Identifier: Apache-2.0
#include <tap/base/error.hpp>
#include <tap/sync/plan.hpp>

#include "catch.hpp"

using namespace tap;

namespace {

singer::Stream stream(const std::string& id, const std::string& method) {
  singer::Stream stream;
  stream.id = id;
  stream.name = stream.table = id;
  stream.schema_name = "public";
  stream.selected = true;
  if (!method.empty()) {
    stream.replication_method = method;
  }
  stream.columns = {{"b", true, ""}, {"a", true, ""}, {"left_out", false, ""}};
  return stream;
}

config::Config shop() {
  config::Config config;
  config.server.keywords["dbname"] = "shop";
  return config;
}

std::string ids(const std::vector<sync::StreamPlan>& planned) {
  std::string all;
  for (const auto& one : planned) {
    all += one.stream.id + " ";
  }
  return all;
}

singer::State state(const std::string& text) {
  return {parse_json(text, "s"), "s"};
}

}  // namespace

TEST_CASE("a stream does not use the bookmark of another stream") {
  auto with_table = [](const std::string& id, const std::string& schema, const std::string& table) {
    auto made = stream(id, "FULL_TABLE");
    made.schema_name = schema;
    made.table = table;
    return made;
  };
  const auto bookmark_of = [&](const std::string& other_id, const std::string& known) {
    auto before = state(R"({"bookmarks": {")" + known + R"(": {"version": 5}}})");
    sync::plan(shop(), {with_table(other_id, "app", "eu-orders"), with_table("mine", "app-eu", "orders")}, {},
               before);
    return to_text(before.bookmark("mine"));
  };
  const std::string none = R"({"last_replication_method":"FULL_TABLE"})";
  CHECK(bookmark_of("shop-app-eu-orders", "shop-app-eu-orders") == none);
  CHECK(bookmark_of("other", "shop-app-eu-orders") == none);
  CHECK(bookmark_of("other", "app-eu-orders") == none);
  CHECK(bookmark_of("other", "mine") == R"({"version":5,"last_replication_method":"FULL_TABLE"})");
}

TEST_CASE("selected streams are sorted by id, their synced columns by name") {
  singer::State state;
  auto unselected = stream("b", "FULL_TABLE");
  unselected.selected = false;
  const auto planned =
      sync::plan(shop(), {stream("c", "FULL_TABLE"), unselected, stream("a", "FULL_TABLE")}, {}, state);
  CHECK(ids(planned) == "a c ");
  CHECK(planned[0].columns == std::vector<std::string>{"a", "b"});
  CHECK(planned[0].database == "shop");
  CHECK(to_text(state.document()) == R"({"bookmarks":{"a":{"last_replication_method":"FULL_TABLE"},)"
                                     R"("c":{"last_replication_method":"FULL_TABLE"}}})");
}

TEST_CASE("the stream that the last run was interrupted in comes first") {
  auto before = state(R"({"currently_syncing": "b"})");
  const auto planned = sync::plan(
      shop(), {stream("a", "FULL_TABLE"), stream("b", "FULL_TABLE"), stream("c", "FULL_TABLE")}, {}, before);
  CHECK(ids(planned) == "b a c ");
}

TEST_CASE("a change of the replication method resets the bookmark") {
  auto before = state(R"({"bookmarks": {"a": {"last_replication_method": "LOG_BASED", "lsn": 5},
    "b": {"last_replication_method": "FULL_TABLE", "version": 1}, "c": {"version": 2}}})");
  sync::plan(shop(), {stream("a", "FULL_TABLE"), stream("b", "FULL_TABLE"), stream("c", "FULL_TABLE")}, {},
             before);
  CHECK(to_text(before.document()["bookmarks"]) ==
        R"({"a":{"last_replication_method":"FULL_TABLE"},)"
        R"("b":{"last_replication_method":"FULL_TABLE","version":1},)"
        R"("c":{"version":2,"last_replication_method":"FULL_TABLE"}})");
}

TEST_CASE("null values in a bookmark are ignored") {
  auto incremental = stream("a", "INCREMENTAL");
  incremental.replication_key = "b";
  auto before = state(R"({"bookmarks": {"a": {"last_replication_method": null, "replication_key": "b",
    "replication_key_value": 5, "version": null}}})");
  sync::plan(shop(), {incremental}, {}, before);
  CHECK(to_text(before.bookmark("a")) ==
        R"({"replication_key":"b","replication_key_value":5,"last_replication_method":"INCREMENTAL"})");
}

TEST_CASE("an interrupted copy without a version restarts") {
  for (const char* version : {"", R"("version": null,)"}) {
    auto before = state(std::string(R"({"bookmarks": {"a": {)") + version + R"("xmin": 5, "copy": {}}}})");
    sync::plan(shop(), {stream("a", "FULL_TABLE")}, {}, before);
    CHECK(to_text(before.bookmark("a")) == R"({"last_replication_method":"FULL_TABLE"})");
  }
}

TEST_CASE("an interrupted initial snapshot without a version restarts") {
  auto follow = [](const std::string& bookmark) {
    auto before = state(R"({"bookmarks": {"a": )" + bookmark + "}}");
    sync::plan(shop(), {stream("a", "LOG_BASED")}, {}, before);
    return to_text(before.bookmark("a"));
  };
  CHECK(follow(R"({"lsn": 9, "xmin": 5})") == R"({"last_replication_method":"LOG_BASED"})");
  CHECK(follow(R"({"lsn": 9, "copy": {}})") == R"({"last_replication_method":"LOG_BASED"})");
  CHECK(follow(R"({"lsn": 9, "xmin": null})") == R"({"lsn":9,"last_replication_method":"LOG_BASED"})");
}

TEST_CASE("a stream without synced columns is skipped") {
  auto bare = stream("a", "FULL_TABLE");
  for (auto& column : bare.columns) {
    column.synced = false;
  }
  singer::State state;
  CHECK(sync::plan(shop(), {bare}, {}, state).empty());
}

TEST_CASE("stream names can include the schema") {
  auto with_schema = shop();
  with_schema.schema_in_stream_name = true;
  singer::State state;
  CHECK(sync::plan(with_schema, {stream("a", "FULL_TABLE")}, {}, state)[0].name == "public_a");
}

TEST_CASE("a stream without a method uses the default method") {
  auto with_default = shop();
  with_default.default_replication_method = singer::ReplicationMethod::full_table;
  singer::State state;
  CHECK(sync::plan(with_default, {stream("a", "")}, {}, state)[0].method ==
        singer::ReplicationMethod::full_table);
}

TEST_CASE("an unknown method is an error") {
  singer::State state;
  REQUIRE_THROWS_WITH(
      sync::plan(shop(), {stream("a", "SOMETIMES")}, {}, state),
      "Unrecognized replication_method SOMETIMES for stream a: set replication-method in the stream's "
      "metadata, or default_replication_method in the config, to FULL_TABLE, INCREMENTAL or LOG_BASED");
  REQUIRE_THROWS_WITH(
      sync::plan(shop(), {stream("a", "")}, {}, state),
      "Unrecognized replication_method None for stream a: set replication-method in the stream's "
      "metadata, or default_replication_method in the config, to FULL_TABLE, INCREMENTAL or LOG_BASED");
}

TEST_CASE("a replication key must be one of the columns, and is synced") {
  auto incremental = stream("a", "INCREMENTAL");
  singer::State state;
  REQUIRE_THROWS_WITH(
      sync::plan(shop(), {incremental}, {}, state),
      "stream a is INCREMENTAL but has no replication key: set replication-key in its metadata");
  incremental.replication_key = "nothing";
  REQUIRE_THROWS_WITH(sync::plan(shop(), {incremental}, {}, state),
                      "replication key nothing of stream a is not one of its columns in the catalog");
  incremental.replication_key = "left_out";
  CHECK(sync::plan(shop(), {incremental}, {}, state)[0].columns ==
        std::vector<std::string>{"a", "b", "left_out"});
}

TEST_CASE("a change of the replication key resets the bookmark") {
  auto incremental = stream("a", "INCREMENTAL");
  incremental.replication_key = "b";
  auto same =
      state(R"({"bookmarks": {"a": {"replication_key": "b", "replication_key_value": 0, "version": 1}}})");
  sync::plan(shop(), {incremental}, {}, same);
  CHECK(same.bookmark("a")["replication_key_value"] == 0);
  auto other =
      state(R"({"bookmarks": {"a": {"replication_key": "a", "replication_key_value": 5, "version": 1}}})");
  sync::plan(shop(), {incremental}, {}, other);
  CHECK(to_text(other.bookmark("a")) == R"({"previous_version":1,"last_replication_method":"INCREMENTAL"})");
}

TEST_CASE("bookmarks are found under ids with and without the database") {
  auto ours = stream("shop-public-t", "FULL_TABLE");
  ours.table = "t";
  auto theirs = state(R"({"bookmarks": {"public-t": {"version": 1}}, "currently_syncing": "public-t"})");
  sync::plan(shop(), {ours}, {}, theirs);
  CHECK(to_text(theirs.document()) ==
        R"({"bookmarks":{"shop-public-t":{"version":1,"last_replication_method":"FULL_TABLE"}},)"
        R"("currently_syncing":"shop-public-t"})");

  auto of_another_database = ours;
  of_another_database.id = "archive-public-t";
  of_another_database.database = "archive";
  auto same_name = state(R"({"bookmarks": {"public-t": {"version": 1}}})");
  sync::plan(shop(), {of_another_database, ours}, {}, same_name);
  CHECK(to_text(same_name.document()["bookmarks"]) ==
        R"({"archive-public-t":{"last_replication_method":"FULL_TABLE"},)"
        R"("shop-public-t":{"version":1,"last_replication_method":"FULL_TABLE"}})");

  ours.id = "public-t";
  auto singer_io = state(R"({"bookmarks": {"shop-public-t": {"version": 1}}})");
  sync::plan(shop(), {ours}, {}, singer_io);
  CHECK(to_text(singer_io.document()["bookmarks"]) ==
        R"({"public-t":{"version":1,"last_replication_method":"FULL_TABLE"}})");
}

TEST_CASE("the SDK's progress markers are removed, its bookmark is kept") {
  auto incremental = stream("a", "INCREMENTAL");
  incremental.replication_key = "b";
  auto sdk = state(R"({"bookmarks": {"a": {"replication_key": "b", "replication_key_value": 5, "mine": 1,
    "starting_replication_value": 4, "progress_markers": {"Note": "..."}}}})");
  sync::plan(shop(), {incremental}, {}, sdk);
  CHECK(
      to_text(sdk.bookmark("a")) ==
      R"({"replication_key":"b","replication_key_value":5,"mine":1,"last_replication_method":"INCREMENTAL"})");
}

TEST_CASE("a full refresh resets the bookmarks of all streams or of the named ones") {
  const std::string before = R"({"bookmarks": {"a": {"version": 1}, "b": {"version": 2}}})";
  const std::vector<singer::Stream> catalog = {stream("a", "FULL_TABLE"), stream("b", "FULL_TABLE")};
  auto all = state(before);
  sync::plan(shop(), catalog, {true, {}}, all);
  CHECK_FALSE(all.bookmark("a").contains("version"));
  CHECK_FALSE(all.bookmark("b").contains("version"));
  auto one = state(before);
  sync::plan(shop(), catalog, {false, {"b"}}, one);
  CHECK(one.bookmark("a")["version"] == 1);
  CHECK_FALSE(one.bookmark("b").contains("version"));
  REQUIRE_THROWS_WITH(sync::plan(shop(), catalog, {false, {"c"}}, one),
                      "--full-refresh c: no selected stream has this tap_stream_id or name");
}

TEST_CASE("a deselected log-based stream loses its position if the WAL of its database is read") {
  const auto bookmark_of = [&](const std::string& method, const std::string& known) {
    auto before = state(R"({"bookmarks": {"other": )" + known + "}}");
    auto other = stream("other", "LOG_BASED");
    other.selected = false;
    sync::plan(shop(), {stream("read", method), other}, {}, before);
    return to_text(before.bookmark("other"));
  };
  const std::string known = R"({"last_replication_method":"LOG_BASED","lsn":7,"version":5})";
  CHECK(bookmark_of("LOG_BASED", known) == R"({"previous_version":5})");
  CHECK(bookmark_of("FULL_TABLE", known) == known);
  const std::string incremental = R"({"replication_key":"id","replication_key_value":7,"version":5})";
  CHECK(bookmark_of("LOG_BASED", incremental) == incremental);
}
