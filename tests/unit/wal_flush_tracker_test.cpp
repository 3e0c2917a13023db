// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <fstream>
#include <string>

#include <unistd.h>

#include "catch.hpp"
#include "sync/bookmark_lsn.hpp"
#include "sync/wal/flush_tracker.hpp"

using namespace tap;
using namespace tap::sync;
using namespace std::chrono_literals;

namespace {

const auto kStart = FlushTracker::Clock::time_point() + 1h;

Json bookmark(const char* text) {
  return parse_json(text, "test");
}

singer::State state(const std::string& bookmarks) {
  return {parse_json(R"({"bookmarks": )" + bookmarks + "}", "test"), "test"};
}

/// The streams a and b of one database.
class Streams {
 public:
  Streams() {
    a_.stream.id = "a";
    b_.stream.id = "b";
  }

  [[nodiscard]] FlushTracker tracker(const std::string& bookmarks,
                                     std::optional<std::string> state_file = std::nullopt) const {
    return {{&a_, &b_}, state(bookmarks), std::move(state_file), kStart};
  }

 private:
  StreamPlan a_;
  StreamPlan b_;
};

/// A state file that is removed after the test.
class StateFile {
 public:
  StateFile() {
    const int file = mkstemp(path_.data());
    REQUIRE(file >= 0);
    close(file);
  }
  ~StateFile() { unlink(path_.c_str()); }
  StateFile(const StateFile&) = delete;
  StateFile& operator=(const StateFile&) = delete;

  void write(const std::string& text) { std::ofstream(path_) << text; }
  void write_bookmarks(const std::string& bookmarks) { write(R"({"bookmarks": )" + bookmarks + "}"); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_ = "/tmp/tap-state-XXXXXX";
};

}  // namespace

TEST_CASE("a bookmark has an LSN once its initial snapshot is complete") {
  CHECK(bookmark_lsn(bookmark(R"({"lsn": 50})")) == Lsn{50});
  CHECK(bookmark_lsn(bookmark(R"({"lsn": 50, "xmin": null})")) == Lsn{50});
  CHECK_FALSE(bookmark_lsn(bookmark(R"({"lsn": 50, "xmin": 700})")));
  CHECK_FALSE(bookmark_lsn(bookmark(R"({"lsn": 50, "copy": {"lsn": 60}})")));
  CHECK_FALSE(bookmark_lsn(bookmark(R"({"lsn": -1})")));
  CHECK_FALSE(bookmark_lsn(bookmark("{}")));
}

TEST_CASE("an unfinished initial snapshot needs WAL from its own position") {
  CHECK(oldest_needed_lsn(bookmark(R"({"lsn": 50})")) == Lsn{50});
  CHECK(oldest_needed_lsn(bookmark(R"({"lsn": 50, "copy": {"lsn": 60}})")) == Lsn{60});
  CHECK_FALSE(oldest_needed_lsn(bookmark(R"({"lsn": 50, "copy": {}})")));
  CHECK_FALSE(oldest_needed_lsn(bookmark("{}")));
}

TEST_CASE("a bookmark names the relation that it belongs to") {
  CHECK(bookmark_relation(bookmark(R"({"lsn": 50, "table_oid": 16384})")) == Oid{16384});
  CHECK_FALSE(bookmark_relation(bookmark(R"({"lsn": 50, "table_oid": "t"})")));
  CHECK_FALSE(bookmark_relation(bookmark(R"({"lsn": 50})")));
}

TEST_CASE("the flush LSN is the minimum over the streams") {
  const Streams streams;
  CHECK(streams.tracker(R"({"a": {"lsn": 50}, "b": {"lsn": 40}})").flush_lsn() == Lsn{40});
  CHECK(streams.tracker(R"({"a": {"lsn": 50}, "b": {"lsn": 60, "copy": {"lsn": 30}}})").flush_lsn() ==
        Lsn{30});
  CHECK(streams.tracker(R"({"a": {"lsn": 50}, "b": {"lsn": 60}, "c": {"lsn": 1}})").flush_lsn() == Lsn{50});
}

TEST_CASE("a stream without a position in the given state holds WAL from its initial snapshot on") {
  const Streams streams;
  FlushTracker tracker = streams.tracker(R"({"a": {"lsn": 50}, "b": {}})");
  tracker.hold("b", Lsn{45});
  CHECK(tracker.flush_lsn() == Lsn{45});
  tracker.hold("b", Lsn{48});
  CHECK(tracker.flush_lsn() == Lsn{45});
  tracker.hold("a", Lsn{10});  // the given state has a position
  CHECK(tracker.flush_lsn() == Lsn{45});
}

TEST_CASE("nothing is flushed in a run without a given position") {
  const Streams streams;
  FlushTracker tracker = streams.tracker("{}");
  CHECK_FALSE(tracker.flush_lsn());
  tracker.hold("a", Lsn{45});
  CHECK_FALSE(tracker.flush_lsn());
}

TEST_CASE("the state file is read again after ten seconds") {
  StateFile file;
  const Streams streams;
  FlushTracker tracker = streams.tracker(R"({"a": {"lsn": 50}, "b": {"lsn": 40}})", file.path());
  file.write_bookmarks(R"({"a": {"lsn": 52}, "b": {"lsn": 55}})");
  tracker.read_again(kStart + 9s, Lsn{60});
  CHECK(tracker.flush_lsn() == Lsn{40});
  tracker.read_again(kStart + 10s, Lsn{60});
  CHECK(tracker.flush_lsn() == Lsn{52});
  file.write_bookmarks(R"({"a": {"lsn": 56}, "b": {"lsn": 55}})");
  tracker.read_again(kStart + 19s, Lsn{60});
  CHECK(tracker.flush_lsn() == Lsn{52});
  tracker.read_again(kStart + 20s, Lsn{60});
  CHECK(tracker.flush_lsn() == Lsn{55});
}

TEST_CASE("a position in the state file beyond what the run has written is ignored") {
  StateFile file;
  const Streams streams;
  FlushTracker tracker = streams.tracker(R"({"a": {"lsn": 50}, "b": {"lsn": 40}})", file.path());
  file.write_bookmarks(R"({"a": {"lsn": 61}, "b": {"lsn": 60}})");
  tracker.read_again(kStart + 10s, Lsn{60});
  CHECK(tracker.flush_lsn() == Lsn{50});
}

TEST_CASE("a state file never moves the flush LSN backward") {
  StateFile file;
  const Streams streams;
  FlushTracker tracker = streams.tracker(R"({"a": {"lsn": 50}, "b": {"lsn": 40}})", file.path());
  file.write_bookmarks(R"({"a": {"lsn": 30}, "b": {"lsn": 20}})");
  tracker.read_again(kStart + 10s, Lsn{60});
  CHECK(tracker.flush_lsn() == Lsn{40});
  file.write_bookmarks("{}");
  tracker.read_again(kStart + 20s, Lsn{60});
  CHECK(tracker.flush_lsn() == Lsn{40});
}

TEST_CASE("a state file that has a new stream ends its hold") {
  StateFile file;
  const Streams streams;
  FlushTracker tracker = streams.tracker(R"({"a": {"lsn": 50}})", file.path());
  tracker.hold("b", Lsn{45});
  file.write_bookmarks(R"({"a": {"lsn": 50}, "b": {"lsn": 47}})");
  tracker.read_again(kStart + 10s, Lsn{60});
  CHECK(tracker.flush_lsn() == Lsn{47});
}

TEST_CASE("a state file that cannot be read changes nothing") {
  StateFile file;
  const Streams streams;
  FlushTracker tracker = streams.tracker(R"({"a": {"lsn": 50}, "b": {"lsn": 40}})", file.path());
  file.write(R"({"bookmarks": {"a": {"l)");
  tracker.read_again(kStart + 10s, Lsn{60});
  CHECK(tracker.flush_lsn() == Lsn{40});

  FlushTracker of_directory = streams.tracker(R"({"a": {"lsn": 50}, "b": {"lsn": 40}})", "/tmp");
  of_directory.read_again(kStart + 10s, Lsn{60});
  CHECK(of_directory.flush_lsn() == Lsn{40});
}
