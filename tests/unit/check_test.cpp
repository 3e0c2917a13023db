// SPDX-License-Identifier: Apache-2.0
#include <tap/check/check.hpp>

#include "catch.hpp"

using namespace tap;
using check::Finding;
using check::Severity;

namespace {

Finding error(ExitCode code) {
  return {Severity::error, "x", {"bad"}, code};
}

}  // namespace

TEST_CASE("a problem is one line of what was found, what is needed, and the fix") {
  CHECK(to_text(Problem{"no slot"}) == "no slot");
  CHECK(to_text(Problem{"no slot", "make one"}) == "no slot: make one");
  CHECK(to_text(Problem{"no slot", "", "SELECT 1"}) == "no slot: SELECT 1");
  CHECK(to_text(Problem{"no slot", "make one", "SELECT 1"}) == "no slot: make one: SELECT 1");
}

TEST_CASE("an error that check reports names it") {
  CHECK(message_with_hint(Error(ExitCode::run_failed, "lost")) == "lost");
  CHECK(message_with_hint(Error(ExitCode::usage, "no JSON")) == "no JSON");
  CHECK(message_with_hint(Error(ExitCode::cannot_connect, "no host")) == "no host; run: tap-postgres check");
  CHECK(message_with_hint(Error(ExitCode::log_based_unprepared, "no slot")) ==
        "no slot; run: tap-postgres check");
  CHECK(message_with_hint(StreamError(Problem{"gone", "discover"})) ==
        "gone: discover; run: tap-postgres check");
  CHECK(message_with_hint(StreamError("malformed")) == "malformed");
}

TEST_CASE("findings are lines of text") {
  CHECK(check::to_text({{Severity::ok, "server", {"it is there"}},
                        {Severity::note, "two\nlines", {"a", "", "SET x"}},
                        {Severity::warning, "y", {"b", "c"}},
                        {Severity::error, "z", {"d", "e", "f"}, ExitCode::usage}}) ==
        "ok      server: it is there\n"
        "note    two\\nlines: a; SET x\n"
        "warning y: b; c\n"
        "error   z: d; e: f\n");
}

TEST_CASE("findings are one JSON object, with the worst level") {
  CHECK(check::to_json_text({{Severity::ok, "a", {"b"}}, {Severity::warning, "c", {"d", "e", "f"}}}) ==
        R"({"findings":[{"level":"ok","subject":"a","found":"b","needed":"","fix":""},)"
        R"({"level":"warning","subject":"c","found":"d","needed":"e","fix":"f"}],"worst":"warning"})"
        "\n");
  CHECK(check::to_json_text({}) == "{\"findings\":[],\"worst\":\"ok\"}\n");
}

TEST_CASE("the exit code is that of the first error a run would meet") {
  CHECK(check::exit_code({{Severity::warning, "x", {"bad"}}}) == ExitCode::done);
  CHECK(check::exit_code({error(ExitCode::run_failed), error(ExitCode::log_based_unprepared)}) ==
        ExitCode::log_based_unprepared);
  CHECK(check::exit_code({error(ExitCode::log_based_unprepared), error(ExitCode::usage)}) == ExitCode::usage);
  CHECK(check::exit_code({error(ExitCode::cannot_connect), error(ExitCode::usage)}) == ExitCode::usage);
  CHECK(check::exit_code({error(ExitCode::cannot_connect), error(ExitCode::log_based_unprepared)}) ==
        ExitCode::cannot_connect);
  CHECK(check::exit_code({error(ExitCode::log_based_unprepared), error(ExitCode::cannot_connect)}) ==
        ExitCode::log_based_unprepared);
}
