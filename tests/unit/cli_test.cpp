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

TEST_CASE("the Python tap's options are taken, also cut short") {
  const auto options = parse({"-c", "c.json", "--prop", "p.json", "-s", "s.json"});
  CHECK(options->configs == std::vector<std::string>{"c.json"});
  CHECK(options->catalog == "p.json");
  CHECK(options->state == "s.json");
  CHECK_FALSE(options->discover);
  CHECK(parse({"--conf=c.json", "--disc"})->discover);
  CHECK(parse({"--config", "c.json", "--catalog", "x"})->catalog == "x");
}

TEST_CASE("config and select are repeatable") {
  const auto options = parse({"-c", "a", "-c", "ENV", "-d", "--select", "x.*", "--select", "!x.y"});
  CHECK(options->configs == std::vector<std::string>{"a", "ENV"});
  CHECK(options->select == std::vector<std::string>{"x.*", "!x.y"});
}

TEST_CASE("a full refresh is of all streams, or of those that are named") {
  CHECK(parse({"-c", "c", "--full-refresh"})->refresh_all);
  CHECK(parse({"-c", "c", "--full-refresh", "--catalog", "x"})->refresh_all);
  const auto named = parse({"-c", "c", "--full-refresh", "a", "--full-refresh", "b", "--catalog", "x"});
  CHECK(named->refresh == std::vector<std::string>{"a", "b"});
  CHECK_FALSE(named->refresh_all);
}

TEST_CASE("the check is a command, or a flag") {
  CHECK(parse({"check", "-c", "c", "--catalog", "x", "-s", "y"})->check);
  CHECK(parse({"-c", "c", "check"})->check);
  CHECK(parse({"-c", "c", "--test"})->check);
  CHECK(parse({"-c", "c", "check", "--format", "json"})->json);
  CHECK_FALSE(parse({"-c", "c", "check", "--format=text"})->json);
  CHECK_FALSE(parse({"-c", "c"})->check);
}

TEST_CASE("a wrong command line is refused with what to do") {
  REQUIRE_THROWS_WITH(parse({"-d"}), "--config is required; see tap-postgres --help");
  REQUIRE_THROWS_WITH(parse({"-c", "c", "--catalog", "x", "-p", "y"}),
                      "--catalog and --properties are two names for one file: give one of them");
  REQUIRE_THROWS_WITH(parse({"-c", "c", "--select", "x"}), "--select goes with --discover");
  REQUIRE_THROWS_WITH(parse({"-c", "c", "--format", "json"}), "--format goes with check and --about");
  REQUIRE_THROWS_WITH(parse({"-c", "c", "check", "--discover"}),
                      "check goes by itself, without --discover and slot");
  REQUIRE_THROWS_AS(parse({"-c", "c", "check", "--format", "xml"}), Error);
  REQUIRE_THROWS_AS(parse({"-c", "c", "--no-such-option"}), Error);
  REQUIRE_THROWS_AS(parse({"-c", "c", "--state"}), Error);
}
