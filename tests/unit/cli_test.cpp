// SPDX-License-Identifier: Apache-2.0
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
  CHECK(parse({"-c", "c", "check", "--format", "json"})->json);
  CHECK_FALSE(parse({"-c", "c", "check", "--format=text"})->json);
  CHECK(parse({"-c", "c"})->command == cli::Command::sync);
}

TEST_CASE("an invalid command line is rejected") {
  REQUIRE_THROWS_WITH(parse({"-d"}), "--config is required; see tap-postgres --help");
  REQUIRE_THROWS_WITH(parse({"-c", "c", "--catalog", "x", "-p", "y"}),
                      "--catalog and --properties are the same option; give only one");
  REQUIRE_THROWS_WITH(parse({"-c", "c", "--select", "x"}), "--select requires --discover");
  REQUIRE_THROWS_WITH(parse({"-c", "c", "--format", "json"}), "--format requires check or --about");
  REQUIRE_THROWS_WITH(parse({"-c", "c", "check", "--discover"}),
                      "check cannot be combined with --discover or slot");
  REQUIRE_THROWS_AS(parse({"-c", "c", "check", "--format", "xml"}), Error);
  REQUIRE_THROWS_AS(parse({"-c", "c", "--no-such-option"}), Error);
  REQUIRE_THROWS_AS(parse({"-c", "c", "--state"}), Error);
}
