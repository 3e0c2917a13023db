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
  config::Config made;
  made.server.keywords["dbname"] = "shop";
  return made;
}

std::string ids(const std::vector<sync::StreamPlan>& planned) {
  std::string all;
  for (const auto& one : planned) {
    all += one.stream.id + " ";
  }
  return all;
}

singer::State state(const std::string& text) { return {parse_json(text, "s"), "s"}; }

}  // namespace

TEST_CASE("selected streams are planned by id, their synced columns by name") {
  singer::State state;
  auto unselected = stream("b", "FULL_TABLE");
  unselected.selected = false;
  const auto planned =
      sync::plan(shop(), {stream("c", "FULL_TABLE"), unselected, stream("a", "FULL_TABLE")}, state);
  CHECK(ids(planned) == "a c ");
  CHECK(planned[0].columns == std::vector<std::string>{"a", "b"});
  CHECK(planned[0].database == "shop");
  CHECK(to_text(state.document()) == R"({"bookmarks":{"a":{"last_replication_method":"FULL_TABLE"},)"
                                     R"("c":{"last_replication_method":"FULL_TABLE"}}})");
}

TEST_CASE("the stream that the last run was cut off in goes first") {
  auto before = state(R"({"currently_syncing": "b"})");
  const auto planned = sync::plan(
      shop(), {stream("a", "FULL_TABLE"), stream("b", "FULL_TABLE"), stream("c", "FULL_TABLE")}, before);
  CHECK(ids(planned) == "b a c ");
}

TEST_CASE("a bookmark of another method is emptied, one of the same or of none is kept") {
  auto before = state(R"({"bookmarks": {"a": {"last_replication_method": "LOG_BASED", "lsn": 5},
    "b": {"last_replication_method": "FULL_TABLE", "version": 1}, "c": {"version": 2}}})");
  sync::plan(shop(), {stream("a", "FULL_TABLE"), stream("b", "FULL_TABLE"), stream("c", "FULL_TABLE")}, before);
  CHECK(to_text(before.document()["bookmarks"]) ==
        R"({"a":{"last_replication_method":"FULL_TABLE"},)"
        R"("b":{"last_replication_method":"FULL_TABLE","version":1},)"
        R"("c":{"version":2,"last_replication_method":"FULL_TABLE"}})");
}

TEST_CASE("a stream without synced columns is skipped") {
  auto bare = stream("a", "FULL_TABLE");
  for (auto& column : bare.columns) {
    column.synced = false;
  }
  singer::State state;
  CHECK(sync::plan(shop(), {bare}, state).empty());
}

TEST_CASE("the schema goes in front of the stream's name on demand") {
  auto with_schema = shop();
  with_schema.schema_in_stream_name = true;
  singer::State state;
  CHECK(sync::plan(with_schema, {stream("a", "FULL_TABLE")}, state)[0].name == "public_a");
}

TEST_CASE("a stream without its own method takes the default one") {
  auto with_default = shop();
  with_default.default_replication_method = "FULL_TABLE";
  singer::State state;
  CHECK(sync::plan(with_default, {stream("a", "")}, state)[0].method == sync::Method::full_table);
}

TEST_CASE("an unknown method is refused with the stream and the remedy") {
  singer::State state;
  REQUIRE_THROWS_WITH(sync::plan(shop(), {stream("a", "SOMETIMES")}, state),
                      "Unrecognized replication_method SOMETIMES for stream a: set replication-method in the stream's "
                      "metadata, or default_replication_method in the config, to FULL_TABLE, INCREMENTAL or LOG_BASED");
  REQUIRE_THROWS_WITH(sync::plan(shop(), {stream("a", "")}, state),
                      "Unrecognized replication_method None for stream a: set replication-method in the stream's "
                      "metadata, or default_replication_method in the config, to FULL_TABLE, INCREMENTAL or LOG_BASED");
}
