// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>

#include <tap/base/error.hpp>
#include <tap/cli/options.hpp>

#include "catch.hpp"

using namespace tap;

namespace {

std::optional<cli::Options> parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "tap-postgres");
  return cli::parse(static_cast<int>(arguments.size()), arguments.data());
}

}  // namespace

TEST_CASE("the Python tap's options are accepted, also abbreviated") {
  const auto options = parse({"-c", "c.json", "--prop", "p.json", "-s", "s.json"});
  CHECK(options->configs == std::vector<std::string>{"c.json"});
  CHECK(options->catalog == "p.json");
  CHECK(options->state == "s.json");
  CHECK(options->command == cli::Command::sync);
  CHECK(parse({"--conf=c.json", "--disc"})->command == cli::Command::discover);
  CHECK(parse({"--config", "c.json", "--catalog", "x"})->catalog == "x");
}

TEST_CASE("config and select are repeatable") {
  const auto options = parse({"-c", "a", "-c", "ENV", "-d", "--select", "x.*", "--select", "!x.y"});
  CHECK(options->configs == std::vector<std::string>{"a", "ENV"});
  CHECK(options->selection.patterns == std::vector<std::string>{"x.*", "!x.y"});
}

TEST_CASE("a full refresh covers all streams or the named ones") {
  CHECK(parse({"-c", "c", "--full-refresh"})->refresh.all);
  CHECK(parse({"-c", "c", "--full-refresh", "--catalog", "x"})->refresh.all);
  const auto named = parse({"-c", "c", "--full-refresh", "a", "--full-refresh", "b", "--catalog", "x"});
  CHECK(named->refresh.streams == std::vector<std::string>{"a", "b"});
  CHECK_FALSE(named->refresh.all);
}

TEST_CASE("check is a command or a flag") {
  CHECK(parse({"check", "-c", "c", "--catalog", "x", "-s", "y"})->command == cli::Command::check);
  CHECK(parse({"-c", "c", "check"})->command == cli::Command::check);
  CHECK(parse({"-c", "c", "--test"})->command == cli::Command::check);
  CHECK(parse({"-c", "c", "check", "--format", "json"})->format == cli::Format::json);
  CHECK(parse({"-c", "c", "check", "--format=text"})->format == cli::Format::text);
  CHECK(parse({"--about", "--format", "markdown"})->format == cli::Format::markdown);
  CHECK(parse({"-c", "c"})->command == cli::Command::sync);
}

TEST_CASE("the name of a log level may be in upper case") {
  CHECK(parse({"-c", "c", "--log-level", "error"})->log_level == log::Level::error);
  CHECK(parse({"-c", "c", "--log-level", "DEBUG"})->log_level == log::Level::debug);
}

TEST_CASE("a run can be limited to a part") {
  const auto part = [](const std::vector<const char*>& arguments) {
    const auto options = parse(arguments);
    CHECK(options->command == cli::Command::sync);
    return options->part ? std::pair(options->part->number, options->part->count) : std::pair(0UL, 0UL);
  };
  using Pair = std::pair<std::size_t, std::size_t>;
  CHECK(part({"-c", "c"}) == Pair(0, 0));
  CHECK(part({"-c", "c", "--part", "2/4"}) == Pair(2, 4));
  ::setenv("TAP_POSTGRES_PART", "3/5", 1);
  CHECK(part({"-c", "c"}) == Pair(3, 5));
  CHECK(part({"-c", "c", "--part", "2/4"}) == Pair(2, 4));
  CHECK_FALSE(parse({"-c", "c", "-d"})->part);
  ::setenv("JOB_COMPLETION_INDEX", "0", 1);
  CHECK(part({"-c", "c", "--parts", "2"}) == Pair(1, 2));
  ::unsetenv("TAP_POSTGRES_PART");
  ::setenv("TAP_POSTGRES_PARTS", "4", 1);
  CHECK(part({"-c", "c"}) == Pair(1, 4));
  ::unsetenv("JOB_COMPLETION_INDEX");
  REQUIRE_THROWS_WITH(parse({"-c", "c"}),
                      "TAP_POSTGRES_PARTS requires split, or JOB_COMPLETION_INDEX in the environment; "
                      "otherwise use --part I/N");
  ::unsetenv("TAP_POSTGRES_PARTS");
  ::setenv("JOB_COMPLETION_INDEX", "2", 1);
  REQUIRE_THROWS_WITH(parse({"-c", "c", "--parts", "2"}),
                      "JOB_COMPLETION_INDEX 2: must be from 0 to 1, because --parts is 2");
  ::unsetenv("JOB_COMPLETION_INDEX");
  ::setenv("TAP_POSTGRES_PART", "5", 1);
  REQUIRE_THROWS_WITH(parse({"-c", "c"}), "TAP_POSTGRES_PART 5: must be I/N, from 1/N to N/N, such as 2/4");
  ::unsetenv("TAP_POSTGRES_PART");
  for (const char* wrong : {"0/4", "5/4", "1", "1/", "/4", "1/x", "1/4x", "-1/4", "1/10001"}) {
    REQUIRE_THROWS_WITH(parse({"-c", "c", "--part", wrong}),
                        std::string("--part ") + wrong + ": must be I/N, from 1/N to N/N, such as 2/4");
  }
  REQUIRE_THROWS_WITH(parse({"-c", "c", "--parts", "2", "--part", "1/2"}),
                      "--part and --parts both choose the part; give only one");
  REQUIRE_THROWS_WITH(
      parse({"-c", "c", "--parts", "2"}),
      "--parts requires split, or JOB_COMPLETION_INDEX in the environment; otherwise use --part I/N");
}

TEST_CASE("split and state merge are commands that need no config") {
  const auto split = parse({"split", "--catalog", "c", "--parts", "4", "--out", "o"});
  CHECK(split->command == cli::Command::split);
  CHECK(split->parts == 4);
  CHECK(split->folder == "o");
  const auto merge = parse({"state", "merge", "a", "b", "--base", "c"});
  CHECK(merge->command == cli::Command::merge_states);
  CHECK(merge->states == std::vector<std::string>{"a", "b"});
  CHECK(merge->base == "c");
  REQUIRE_THROWS_WITH(parse({"split", "--catalog", "c", "--parts", "4"}),
                      "split requires --catalog, --parts and --out");
  REQUIRE_THROWS_WITH(parse({"split", "--parts", "0"}), "--parts 0: must be a number from 1 to 10000");
  REQUIRE_THROWS_WITH(parse({"state", "merge"}), "FILE is required; see tap-postgres --help");
  REQUIRE_THROWS_WITH(parse({"-c", "c", "--out", "x"}), "--out requires split");
  REQUIRE_THROWS_WITH(parse({"-c", "c", "--base", "x"}), "--base requires state merge");
  REQUIRE_THROWS_WITH(parse({"-c", "c", "-d", "--part", "1/2"}), "--part requires a sync run");
  REQUIRE_THROWS_WITH(parse({"-c", "c", "-d", "--parts", "2"}), "--parts requires split or a sync run");
}

TEST_CASE("an invalid command line is rejected") {
  REQUIRE_THROWS_WITH(parse({"-d"}), "--config is required; see tap-postgres --help");
  REQUIRE_THROWS_WITH(parse({"-c", "c", "--catalog", "x", "-p", "y"}),
                      "--catalog and --properties are the same option; give only one");
  REQUIRE_THROWS_WITH(parse({"-c", "c", "--select", "x"}), "--select requires --discover");
  REQUIRE_THROWS_WITH(parse({"-c", "c", "--format", "json"}), "--format requires check or --about");
  REQUIRE_THROWS_WITH(parse({"-c", "c", "check", "--discover"}),
                      "check cannot be combined with --discover or slot");
  for (const std::string wrong : {"xml", "1", "Json", ""}) {
    const std::string message = "--format " + wrong + ": must be json, markdown or text";
    REQUIRE_THROWS_WITH(parse({"-c", "c", "check", "--format", wrong.c_str()}), message);
    REQUIRE_THROWS_WITH(parse({"--about", "--format", wrong.c_str()}), message);
  }
  for (const std::string wrong : {"loud", "1"}) {
    REQUIRE_THROWS_WITH(parse({"-c", "c", "--log-level", wrong.c_str()}),
                        "--log-level " + wrong + ": must be debug, info, warning, error or critical");
  }
  REQUIRE_THROWS_AS(parse({"-c", "c", "--no-such-option"}), Error);
  REQUIRE_THROWS_AS(parse({"-c", "c", "--state"}), Error);
}
