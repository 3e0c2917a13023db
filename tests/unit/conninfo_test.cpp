// SPDX-License-Identifier: Apache-2.0
#include "pg/connect/conninfo.hpp"

#include "catch.hpp"

using namespace tap;

namespace {

/// What is left of these keywords without a host: `host=a port=1 `, or nothing.
std::string without(const std::map<std::string, std::string, std::less<>>& keywords, const char* host,
                    const char* port) {
  pg::ConnectionSettings server;
  server.keywords = keywords;
  const auto others = pg::without_host(server, host, port);
  std::string text;
  for (const auto& [keyword, value] : others ? others->keywords : pg::ConnectionSettings().keywords) {
    text += keyword + "=" + value + " ";
  }
  return text;
}

}  // namespace

TEST_CASE("a host that does not answer is left out of libpq's lists") {
  CHECK(without({{"host", "a,b,c"}, {"port", "1,2,3"}}, "a", "1") == "host=b,c port=2,3 ");
  CHECK(without({{"host", "a,b,c"}, {"port", "1,2,3"}}, "b", "2") == "host=a,c port=1,3 ");
  CHECK(without({{"host", "a,a"}, {"port", "1,2"}}, "a", "2") == "host=a port=1 ");
  CHECK(without({{"host", "a,b"}, {"port", "1"}}, "b", "1") == "host=a port=1 ");
  CHECK(without({{"host", "a,b"}, {"user", "u"}}, "a", "5432") == "host=b user=u ");
  CHECK(without({{"host", "a,"}, {"hostaddr", "::1,::2"}}, "::2", "5432") == "host=a hostaddr=::1 ");
  CHECK(without({{"hostaddr", "::1,::2"}, {"port", ",2"}}, "::1", "5432") == "hostaddr=::2 port=2 ");
}

TEST_CASE("the only host is not left out; an unlisted host has no effect") {
  CHECK(without({{"host", "a"}, {"port", "1"}}, "a", "1").empty());
  CHECK(without({{"host", "a,b"}}, "c", "1").empty());
  CHECK(without({}, "/tmp", "5432").empty());
}
