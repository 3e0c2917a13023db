// SPDX-License-Identifier: Apache-2.0
#include <tap/pg/connection_settings.hpp>
#include <tap/pg/quote.hpp>
#include <tap/pg/server_version.hpp>

#include "catch.hpp"

using namespace tap;

TEST_CASE("an array's text quotes each element") {
  CHECK(pg::array_text({}) == "{}");
  CHECK(pg::array_text({"a"}) == R"({"a"})");
  CHECK(pg::array_text({"a,b", "", "NULL", R"(say "x" \ {y})"}) == R"({"a,b","","NULL","say \"x\" \\ {y}"})");
}

TEST_CASE("a server's version is printed as the server does") {
  CHECK(pg::ServerVersion(90305).text() == "9.3.5");
  CHECK(pg::ServerVersion(90624).text() == "9.6.24");
  CHECK(pg::ServerVersion(100006).text() == "10.6");
  CHECK(pg::ServerVersion(180006).text() == "18.6");
  CHECK(pg::ServerVersion(100005) < pg::kOldestForLogBased);
  CHECK(pg::ServerVersion(90300) >= pg::kOldestForCopies);
}

TEST_CASE("keywords that protect the session are known with the libpq that brought them") {
  CHECK(pg::libpq_of_security_keyword("require_auth") == 16);
  CHECK(pg::libpq_of_security_keyword("sslnegotiation") == 17);
  CHECK(pg::libpq_of_security_keyword("max_protocol_version") == 18);
  CHECK_FALSE(pg::libpq_of_security_keyword("application_name"));
  for (const char* keyword :
       {"password", "sslpassword", "scram_client_key", "scram_server_key", "oauth_client_secret"}) {
    INFO(keyword);
    CHECK(pg::is_secret_keyword(keyword));
  }
  CHECK_FALSE(pg::is_secret_keyword("host"));
}

TEST_CASE("a private key's file that is missing is not named") {
  const std::string present = "certificate present, but not private key file \"";
  CHECK(pg::ConnectionSettings().with_names(present + "MIIEvQIBADANBg\"") == present + "sslkey\"");
  CHECK(
      pg::ConnectionSettings().with_names("could not load private key file \"/etc/passwd\": no start line") ==
      "could not load private key file \"/etc/passwd\": no start line");
  CHECK(pg::ConnectionSettings().with_names(present + "cut off") == present + "sslkey");
}
