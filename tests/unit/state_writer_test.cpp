// SPDX-License-Identifier: Apache-2.0
#include "sync/state_writer.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include "catch.hpp"

using namespace tap;
using namespace tap::sync;
using namespace std::chrono_literals;

namespace {

const auto kStart = StateWriter::Clock::time_point() + 1h;

/// A run with the bookmarks of `streams` streams, of about 100 bytes each.
class Run {
 public:
  explicit Run(std::size_t streams) : file_(memfd_create("lines", 0)), writer_(file_) {
    REQUIRE(file_ >= 0);
    for (std::size_t i = 0; i < streams; ++i) {
      state_.bookmark("shop-public-table_" + std::to_string(i)) = {
          {"last_replication_method", "FULL_TABLE"}, {"version", 1795833301604}, {"xmin", nullptr}};
    }
    config_.state_every_rows = 100;
    config_.state_every_time = 5s;
    states_.emplace(config_, state_, writer_, kStart);
  }
  ~Run() { close(file_); }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  StateWriter& states() { return *states_; }
  singer::State& state() { return state_; }
  void write_record_line(std::size_t bytes) { writer_.part(std::string(bytes, ' ')); }

  /// What was written since the last call.
  std::string text() {
    writer_.flush();
    const auto size = static_cast<std::size_t>(lseek(file_, 0, SEEK_END));
    std::string text(size - read_, '\0');
    REQUIRE(pread(file_, text.data(), text.size(), static_cast<off_t>(read_)) ==
            static_cast<ssize_t>(text.size()));
    read_ = size;
    return text;
  }

 private:
  int file_;
  std::size_t read_ = 0;
  config::Config config_;
  singer::State state_;
  singer::Writer writer_;
  std::optional<StateWriter> states_;
};

}  // namespace

TEST_CASE("a small STATE is written at the start and the end of each stream") {
  Run run(0);
  run.state().bookmark("a")["version"] = 1;
  run.states().write_if_worthwhile(kStart);
  CHECK(run.text() == R"({"type":"STATE","value":{"bookmarks":{"a":{"version":1}}}})"
                      "\n");
  run.state().bookmark("a")["version"] = 2;
  run.states().write_if_worthwhile(kStart);
  CHECK(run.text() == R"({"type":"STATE","value":{"bookmarks":{"a":{"version":2}}}})"
                      "\n");
  run.states().write_postponed(kStart);
  CHECK(run.text().empty());
}

TEST_CASE("a large STATE waits for its time") {
  Run run(5000);
  run.states().write_if_worthwhile(kStart + 4s);
  CHECK(run.text().empty());
  run.states().write_if_worthwhile(kStart + 5s);
  CHECK(run.text().size() > 400'000);
  run.states().write_if_worthwhile(kStart + 9s);
  CHECK(run.text().empty());
  run.states().write_if_worthwhile(kStart + 10s);
  CHECK(run.text().size() > 400'000);
}

TEST_CASE("a large STATE that waits is written at the end of the run") {
  Run run(5000);
  run.states().write_if_worthwhile(kStart);
  CHECK(run.text().empty());
  run.states().write_postponed(kStart);
  CHECK(run.text().size() > 400'000);
  run.states().write_postponed(kStart);
  CHECK(run.text().empty());
}

TEST_CASE("a large STATE is written after many records") {
  Run run(5000);
  run.states().note_records(99);
  CHECK_FALSE(run.states().is_due());
  run.states().write_if_worthwhile(kStart);
  CHECK(run.text().empty());
  run.states().note_records();
  CHECK(run.states().is_due());
  run.states().write_if_worthwhile(kStart);
  CHECK(run.text().size() > 400'000);
  CHECK_FALSE(run.states().is_due());
}

TEST_CASE("a large STATE is cheap beside larger records") {
  Run run(5000);
  CHECK_FALSE(run.states().is_cheap());
  run.write_record_line(30'000'000);
  CHECK(run.states().is_cheap());
  run.states().write_if_worthwhile(kStart);
  CHECK_FALSE(run.states().is_cheap());
  run.write_record_line(30'000'000);
  CHECK(run.states().is_cheap());
}

TEST_CASE("the STATEs of many small streams are at most a megabyte") {
  for (const std::size_t streams : {10, 100, 1000, 5000}) {
    Run run(streams);
    for (std::size_t i = 0; i < 2 * streams; ++i) {
      run.states().write_if_worthwhile(kStart);
    }
    run.states().write_if_worthwhile(kStart + 5s);
    run.states().write();
    CHECK(run.text().size() < 1'050'000);
  }
}
