// SPDX-License-Identifier: Apache-2.0
#include <tap/check/check.hpp>

#include "catch.hpp"

using namespace tap;
using check::Finding;
using check::Level;

namespace {

Finding error(ExitCode code) {
  return {Level::error, "x", {"bad"}, code};
}

}  // namespace

TEST_CASE("a complaint is one line of what was found, what is needed, and the fix") {
  CHECK(to_text(Complaint{"no slot"}) == "no slot");
  CHECK(to_text(Complaint{"no slot", "make one"}) == "no slot: make one");
  CHECK(to_text(Complaint{"no slot", "", "SELECT 1"}) == "no slot: SELECT 1");
  CHECK(to_text(Complaint{"no slot", "make one", "SELECT 1"}) == "no slot: make one: SELECT 1");
}

TEST_CASE("an error that the check could have foreseen names it") {
  CHECK(last_word(Error(ExitCode::run_failed, "lost")) == "lost");
  CHECK(last_word(Error(ExitCode::usage, "no JSON")) == "no JSON");
  CHECK(last_word(Error(ExitCode::cannot_connect, "no host")) == "no host; run: tap-postgres check");
  CHECK(last_word(Error(ExitCode::log_based_unprepared, "no slot")) == "no slot; run: tap-postgres check");
  CHECK(last_word(StreamError(Complaint{"gone", "discover"})) == "gone: discover; run: tap-postgres check");
  CHECK(last_word(StreamError("malformed")) == "malformed");
}

TEST_CASE("findings are lines of text") {
  CHECK(check::to_text({{Level::ok, "server", {"it is there"}},
                        {Level::note, "two\nlines", {"a", "", "SET x"}},
                        {Level::warning, "y", {"b", "c"}},
                        {Level::error, "z", {"d", "e", "f"}, ExitCode::usage}}) ==
        "ok      server: it is there\n"
        "note    two\\nlines: a; SET x\n"
        "warning y: b; c\n"
        "error   z: d; e: f\n");
}

TEST_CASE("findings are one JSON object, with the worst level") {
  CHECK(check::to_json_text({{Level::ok, "a", {"b"}}, {Level::warning, "c", {"d", "e", "f"}}}) ==
        R"({"findings":[{"level":"ok","subject":"a","found":"b","needed":"","fix":""},)"
        R"({"level":"warning","subject":"c","found":"d","needed":"e","fix":"f"}],"worst":"warning"})"
        "\n");
  CHECK(check::to_json_text({}) == "{\"findings\":[],\"worst\":\"ok\"}\n");
}

TEST_CASE("the exit code is of the error that a run would meet first") {
  CHECK(check::exit_code({{Level::warning, "x", {"bad"}}}) == ExitCode::done);
  CHECK(check::exit_code({error(ExitCode::run_failed), error(ExitCode::log_based_unprepared)}) ==
        ExitCode::log_based_unprepared);
  CHECK(check::exit_code({error(ExitCode::log_based_unprepared), error(ExitCode::usage)}) == ExitCode::usage);
  CHECK(check::exit_code({error(ExitCode::cannot_connect), error(ExitCode::usage)}) == ExitCode::usage);
  CHECK(check::exit_code({error(ExitCode::cannot_connect), error(ExitCode::log_based_unprepared)}) ==
        ExitCode::cannot_connect);
  CHECK(check::exit_code({error(ExitCode::log_based_unprepared), error(ExitCode::cannot_connect)}) ==
        ExitCode::log_based_unprepared);
}
