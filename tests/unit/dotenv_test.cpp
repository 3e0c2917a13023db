// SPDX-License-Identifier: Apache-2.0
#include <tap/config/dotenv.hpp>

#include "catch.hpp"

using namespace tap;

namespace {

/// `NAME=value|NAME=value|!line`, the last for lines that are malformed.
std::string parse(const std::string& text) {
  const config::Dotenv file = config::parse_dotenv(text);
  std::string all;
  for (const auto& [name, value] : file.variables) {
    all += (all.empty() ? "" : "|") + name + "=" + value;
  }
  for (const std::size_t line : file.malformed) {
    all += (all.empty() ? "!" : "|!") + std::to_string(line);
  }
  return all;
}

}  // namespace

TEST_CASE("a .env has one variable a line") {
  CHECK(parse("A=1\nB=two words \n\nC=\n  D = 4\r\nE=5") == "A=1|B=two words|C=|D=4|E=5");
  CHECK(parse("export A=1\nexport\tB=2\nexport=3\nexport = 4") == "A=1|B=2|export=3|export=4");
  CHECK(parse("A=a=b\nB=$A ${A}\nA=2") == "A=a=b|B=$A ${A}|A=2");
  CHECK(parse("").empty());
}

TEST_CASE("comments of a .env are not part of a value") {
  CHECK(parse("# A=1\n  # B=2\nC=3 # three\nD=4#5 6\nE=# nothing\nF='7' # seven\nG=\"#8\"#") ==
        "C=3|D=4#5 6|E=|F=7|G=#8");
}

TEST_CASE("quoted values of a .env") {
  CHECK(parse(R"(A='a "b" \n $c' )") == R"(A=a "b" \n $c)");
  CHECK(parse(R"(A='it\'s \\ one')") == R"(A=it's \ one)");
  CHECK(parse(R"(A="a\n\t\"b\" 'c' \\ \d")") == "A=a\n\t\"b\" 'c' \\ \\d");
  CHECK(parse("A=\"-----BEGIN\nkey\n-----END\"\nB=2\n?\n") == "A=-----BEGIN\nkey\n-----END|B=2|!5");
  CHECK(parse("A=''\nB=\"\"") == "A=|B=");
}

TEST_CASE("malformed lines of a .env are counted and skipped") {
  CHECK(parse("A=1\nno value\nB=2\n=3\nC-D=4\n'E'=5\n") == "A=1|B=2|!2|!4|!5|!6");
  CHECK(parse("A='open\nB=2\nC='x' y\nD=4") == "B=2|D=4|!1|!3");
}
