// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <tap/base/error.hpp>
#include <tap/singer/catalog.hpp>
#include <tap/singer/state.hpp>
#include <tap/singer/writer.hpp>

#include "catch.hpp"

using namespace tap;
using singer::read_catalog;

namespace {

std::vector<singer::Stream> read(const std::string& text) {
  return read_catalog(parse_json(text, "c"), "c");
}

/// A catalog of one stream with this metadata, and columns a and b.
std::vector<singer::Stream> with_metadata(const std::string& metadata) {
  return read(R"({"streams": [{"tap_stream_id": "db-public-t", "stream": "t", "table_name": "t",
    "schema": {"properties": {"a": {}, "b": {}}}, "metadata": [)" +
              metadata + "]}]}");
}

std::string own(const std::string& metadata) {
  return R"({"breadcrumb": [], "metadata": )" + metadata + "}";
}
std::string of_a(const std::string& metadata) {
  return R"({"breadcrumb": ["properties", "a"], "metadata": )" + metadata + "}";
}

/// What a writer sends down a pipe. Small enough for the pipe to hold.
class Output {
 public:
  Output() { REQUIRE(pipe(ends_) == 0); }
  ~Output() {
    close(ends_[0]);
    close(ends_[1]);
  }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  [[nodiscard]] int file() const { return ends_[1]; }
  [[nodiscard]] std::string read() const {
    std::string text(65536, '\0');
    const ssize_t size = ::read(ends_[0], text.data(), text.size());
    text.resize(static_cast<std::size_t>(size));
    return text;
  }

 private:
  int ends_[2]{};
};

}  // namespace

TEST_CASE("a stream is selected by its own metadata alone") {
  CHECK(with_metadata(own(R"({"selected": true})"))[0].selected);
  CHECK_FALSE(with_metadata(own(R"({"selected": false})"))[0].selected);
  CHECK_FALSE(with_metadata(own(R"({"selected": null})"))[0].selected);
  CHECK_FALSE(with_metadata(of_a(R"({"selected": true})"))[0].selected);
  CHECK_FALSE(with_metadata("")[0].selected);
}

TEST_CASE("a column is synced by inclusion, then selection, then default") {
  const auto synced = [](const std::string& metadata) {
    return with_metadata(of_a(metadata))[0].columns[0].synced;
  };
  CHECK(synced(R"({"inclusion": "automatic", "selected": false})"));
  CHECK_FALSE(synced(R"({"inclusion": "unsupported", "selected": true})"));
  CHECK(synced(R"({"inclusion": "available", "selected": true})"));
  CHECK_FALSE(synced(R"({"inclusion": "available", "selected": false})"));
  CHECK(synced(R"({"inclusion": "available", "selected-by-default": false})"));
  CHECK(with_metadata("")[0].columns[0].synced);
}

TEST_CASE("the metadata of the user has precedence") {
  const auto stream = with_metadata(own(
      R"({"table-key-properties": ["b", "a"], "schema-name": "s", "database-name": "d", "is-view": false,
          "replication-method": "INCREMENTAL", "replication-key": "b"})"))[0];
  CHECK(stream.id == "db-public-t");
  CHECK(stream.name == "t");
  CHECK(stream.schema_name == "s");
  CHECK(stream.database == "d");
  CHECK(stream.key_properties == std::vector<std::string>{"b", "a"});
  CHECK(stream.replication_method == "INCREMENTAL");
  CHECK(stream.replication_key == "b");

  const auto view = with_metadata(own(
      R"({"is-view": true, "table-key-properties": ["a"], "view-key-properties": ["b"], "replication-key": null})"))
      [0];
  CHECK(view.is_view);
  CHECK(view.key_properties == std::vector<std::string>{"b"});
  CHECK_FALSE(view.replication_key);
}

TEST_CASE("catalogs of the other two taps are accepted") {
  const auto stream =
      read(R"({"streams": [{"tap_stream_id": "public-t", "stream": "public-t", "table_name": "t",
    "key_properties": ["a"], "replication_method": "FULL_TABLE", "replication_key": "a", "is_view": false,
    "schema": {"properties": {"a": {}}},
    "metadata": [{"breadcrumb": [], "metadata": {"schema-name": "public", "selected": true, "inclusion": "available"}}]}]})")
          [0];
  CHECK(stream.name == "public-t");
  CHECK(stream.table == "t");
  CHECK(stream.database.empty());
  CHECK(stream.key_properties == std::vector<std::string>{"a"});
  CHECK(stream.replication_method == "FULL_TABLE");

  const auto pipelinewise =
      read(R"({"streams": [{"tap_stream_id": "public-t", "stream": "t", "table_name": "t",
    "schema": {"properties": {"a": {}}},
    "metadata": [{"breadcrumb": [], "metadata": {"schema-name": "public"}}]}]})")[0];
  CHECK(pipelinewise.name == "public-t");
}

TEST_CASE("an invalid catalog names the place") {
  REQUIRE_THROWS_WITH(read("[]"), "c: not a catalog; it must be an object with a \"streams\" list");
  REQUIRE_THROWS_WITH(read(R"({"streams": [5]})"), "c: streams[0]: must be an object");
  REQUIRE_THROWS_WITH(read(R"({"streams": [{}]})"), "c: streams[0]: has no \"tap_stream_id\"");
  REQUIRE_THROWS_WITH(read(R"({"streams": [{"tap_stream_id": "x"}]})"),
                      "c: streams[0] (x): has no \"schema\" with \"properties\"");
  REQUIRE_THROWS_WITH(with_metadata("5"),
                      "c: streams[0] (db-public-t): each entry of \"metadata\" must be an object with "
                      "\"breadcrumb\" and \"metadata\"");
  REQUIRE_THROWS_WITH(with_metadata(own(R"({"table-key-properties": "a"})")),
                      "c: streams[0] (db-public-t): \"table-key-properties\" must be a list of column names");
  REQUIRE_THROWS_WITH(with_metadata(own(R"({"replication-key": 5})")),
                      "c: streams[0] (db-public-t): \"replication-key\" must be text, but is number");
}

TEST_CASE("a selected stream has an id of its own") {
  const std::string one = R"({"tap_stream_id": "x", "schema": {"properties": {}}})";
  const std::string selected =
      R"({"tap_stream_id": "x", "schema": {"properties": {}}, "metadata": [{"breadcrumb": [],)"
      R"("metadata": {"selected": true}}]})";
  const auto count = [](const std::string& streams) {
    return singer::read_catalog(parse_json(R"({"streams": [)" + streams + "]}", "c"), "c").size();
  };
  CHECK(count(one + "," + one) == 2);
  for (const std::string& streams : {one + "," + selected, selected + "," + one, selected + "," + selected}) {
    CHECK_THROWS_WITH(count(streams),
                      "c: streams[1]: duplicate tap_stream_id \"x\", which streams[0] has, too, so that they "
                      "would share a bookmark; change it in one of them");
  }
  CHECK_THROWS_WITH(count(one + "," + one + "," + selected),
                    "c: streams[2]: duplicate tap_stream_id \"x\", which streams[0] has, too, so that they "
                    "would share a bookmark; change it in one of them");
}

TEST_CASE("a state preserves unknown keys") {
  singer::State state(parse_json(R"({"bookmarks": {"x": {"lsn": 5}}, "mine": 1})", "s"), "s");
  state.bookmark("y")["version"] = 2;
  state.set_currently_syncing("y");
  CHECK(to_text(state.document()) ==
        R"({"bookmarks":{"x":{"lsn":5},"y":{"version":2}},"mine":1,"currently_syncing":"y"})");
  state.set_currently_syncing(std::nullopt);
  CHECK(state.document()["currently_syncing"].is_null());
}

TEST_CASE("a renamed bookmark comes last, and the others keep their places") {
  singer::State state(parse_json(R"({"bookmarks": {"a": {"v": 1}, "b": {"v": 2}, "c": null}})", "s"), "s");
  state.rename_bookmark("a", "z");
  CHECK(to_text(state.document()) == R"({"bookmarks":{"b":{"v":2},"c":{},"z":{"v":1}}})");
  CHECK(state.find_bookmark("a") == nullptr);
  CHECK(to_text(*state.find_bookmark("z")) == R"({"v":1})");
  state.bookmark("c")["v"] = 3;
  state.bookmark("a")["v"] = 4;
  CHECK(to_text(state.document()) == R"({"bookmarks":{"b":{"v":2},"c":{"v":3},"z":{"v":1},"a":{"v":4}}})");
}

TEST_CASE("an invalid state names the place") {
  const auto load = [](const char* text) { return singer::State(parse_json(text, "s.json"), "s.json"); };
  REQUIRE_THROWS_WITH(load("[]"), "s.json: the state must be an object, but is array");
  REQUIRE_THROWS_WITH(load(R"({"bookmarks": 1})"), "s.json: \"bookmarks\" must be an object, but is number");
  REQUIRE_THROWS_WITH(load(R"({"bookmarks": {"x": "y"}})"),
                      "s.json: the bookmark of \"x\" must be an object, but is string");
  REQUIRE_THROWS_WITH(load(R"({"currently_syncing": 1})"),
                      "s.json: \"currently_syncing\" must be a stream's id or null, but is number");
}

TEST_CASE("each message is one complete line, in order") {
  const Output output;
  singer::Writer writer(output.file());
  writer.schema("t", parse_json(R"({"properties": {"a": {}}})", "x"), {"a"}, {});
  writer.activate_version("t", 7);
  writer.record({"t \"quoted\"", 7, "2026-01-31T08:15:30.000000Z"},
                [](Buffer& out) { out.append("\"a\":1"); });
  const auto failing = [&] {
    writer.record({"t", 7, ""}, [](Buffer& out) {
      out.append("half");
      throw StreamError("cannot be sent");
    });
  };
  REQUIRE_THROWS_AS(failing(), StreamError);
  writer.state(parse_json(R"({"bookmarks": {}})", "x"));
  CHECK(
      output.read() ==
      R"({"type":"SCHEMA","stream":"t","schema":{"properties":{"a":{}}},"key_properties":["a"],"bookmark_properties":[]})"
      "\n"
      R"({"type":"ACTIVATE_VERSION","stream":"t","version":7})"
      "\n"
      R"({"type":"RECORD","stream":"t \"quoted\"","record":{"a":1},"version":7,"time_extracted":"2026-01-31T08:15:30.000000Z"})"
      "\n"
      R"({"type":"STATE","value":{"bookmarks":{}}})"
      "\n");
}

TEST_CASE("the metadata of a stream may have conditions for its rows") {
  using Conditions = std::vector<std::string>;
  const auto where = [](const std::string& value) {
    return with_metadata(own("{\"where\": " + value + "}"))[0].where;
  };
  CHECK_FALSE(with_metadata("")[0].where);
  CHECK_FALSE(where("null"));
  CHECK(where("\"a > 5\"") == Conditions{"a > 5"});
  CHECK(where(R"(["a > 5", "\n", "b"])") == Conditions{"a > 5", "b"});
  CHECK(where("\"\"") == Conditions());
  REQUIRE_THROWS_WITH(where("5"),
                      "c: streams[0] (db-public-t): \"where\" must be an SQL condition or a list of "
                      "them");
}

TEST_CASE("a receiver gets lines, and states in place of their lines") {
  std::vector<std::string> received;
  singer::Writer writer([&](std::string_view lines, const Json* state) {
    received.emplace_back(lines);
    if (state != nullptr) {
      received.push_back(to_text(*state));
    }
  });
  writer.activate_version("t", 7);
  CHECK(writer.state({{"a", 1}}) == 0);
  writer.flush();
  writer.activate_version("t", 8);
  writer.flush();
  CHECK(received == std::vector<std::string>{
                        "{\"type\":\"ACTIVATE_VERSION\",\"stream\":\"t\",\"version\":7}\n", "{\"a\":1}",
                        "{\"type\":\"ACTIVATE_VERSION\",\"stream\":\"t\",\"version\":8}\n"});
}
