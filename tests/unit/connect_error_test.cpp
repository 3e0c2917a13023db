// SPDX-License-Identifier: Apache-2.0
// What is made of libpq's messages, which are those of libpq 15 and 17 to the letter.
#include "pg/connect/connect_error.hpp"

#include "catch.hpp"

using namespace tap;

namespace {

const std::string kHint = "\n\tIs the server running on that host and accepting TCP/IP connections?\n";
const std::string kRefusedBySix =
    "connection to server at \"localhost\" (::1), port 5432 failed: Connection refused" + kHint;
const std::string kByFour = "connection to server at \"localhost\" (127.0.0.1), port 5432 failed: ";

std::string said(const std::string& message) {
  return pg::ConnectFailure(message).text;
}

}  // namespace

TEST_CASE("of a host's addresses the one that got furthest is reported") {
  const std::string wrong_password =
      "FATAL:  28P01: password authentication failed for user \"tap\"\nLOCATION:  auth_failed, auth.c:326\n";
  const pg::ConnectFailure failure(kRefusedBySix + kByFour + wrong_password);
  CHECK(failure.text == kByFour + "FATAL: password authentication failed for user \"tap\" (SQLSTATE 28P01)");
  CHECK(failure.sqlstate == "28P01");
  CHECK_FALSE(failure.is_transient());
  CHECK(said(kByFour + wrong_password + kRefusedBySix) == failure.text);

  CHECK(said(kRefusedBySix + kByFour + "SSL error: certificate verify failed\n") ==
        kByFour +
            "SSL error: certificate verify failed; the server's certificate has expired or is not signed "
            "by an authority in sslrootcert");
  CHECK(said(kRefusedBySix + kByFour +
             "root certificate file \"/x/root.crt\" does not exist\nEither provide the file\n") ==
        kByFour + "root certificate file \"/x/root.crt\" does not exist Either provide the file");
  CHECK(
      said(kRefusedBySix + kByFour + "server closed the connection unexpectedly\n\tThis probably means\n") ==
      kByFour + "server closed the connection unexpectedly This probably means");
}

TEST_CASE("two addresses that fail alike are reported by the first") {
  const pg::ConnectFailure failure(kRefusedBySix + kByFour + "Connection refused" + kHint);
  CHECK(failure.text ==
        "connection to server at \"localhost\" (::1), port 5432 failed: Connection refused Is the server "
        "running on "
        "that host and accepting TCP/IP connections?");
  CHECK(failure.is_transient());
}

TEST_CASE("a retry without TLS does not hide why the attempt with TLS failed") {
  CHECK(said(kByFour +
             "FATAL:  28P01: password authentication failed for user \"tap\"\nLOCATION:  auth.c:326\n" +
             kByFour +
             "FATAL:  28000: no pg_hba.conf entry for host \"127.0.0.1\", user \"tap\", database \"d\", no "
             "encryption\n"
             "LOCATION:  ClientAuthentication, auth.c:541\n") ==
        kByFour + "FATAL: password authentication failed for user \"tap\" (SQLSTATE 28P01)");
}

TEST_CASE("several hosts are all reported, the one that got furthest first") {
  const std::string b = "connection to server at \"b\" (10.0.0.2), port 5433 failed: ";
  const pg::ConnectFailure failure(
      kRefusedBySix + kByFour + "Connection refused" + kHint +
      "could not translate host name \"x\" to address: Name or service not known\n" + b +
      "FATAL:  57P03: the database system is starting up\nLOCATION:  postmaster.c:1\n");
  CHECK(failure.text ==
        b + "FATAL: the database system is starting up (SQLSTATE 57P03); connection to server at "
            "\"localhost\" (::1), port 5432 failed: Connection refused; could not translate host name "
            "\"x\" to address: Name or service not known");
  CHECK(failure.sqlstate == "57P03");
  CHECK(failure.is_transient());
  CHECK(said("connection to server on socket \"/s/.s.PGSQL.5432\" failed: No such file or directory\n\tIs "
             "the server running "
             "locally and accepting connections on that socket?\n" +
             b + "session is read-only\n") == b + "session is read-only; connection to server on socket "
                                                  "\"/s/.s.PGSQL.5432\" failed: No such file or directory");
}

TEST_CASE("a host that may accept the connection later counts more than one that never will") {
  const std::string never = "connection to server at \"a\", port 1 failed: FATAL:  28P01: no\nLOCATION:  x\n";
  const std::string later =
      "connection to server at \"b\", port 1 failed: FATAL:  53300: sorry, too many clients "
      "already\nLOCATION:  x\n";
  for (const std::string& message : {never + later, later + never}) {
    const pg::ConnectFailure failure(message);
    CHECK(failure.sqlstate == "53300");
    CHECK(failure.is_transient());
    CHECK(failure.text ==
          "connection to server at \"b\", port 1 failed: FATAL: sorry, too many clients already (SQLSTATE "
          "53300); "
          "connection to server at \"a\", port 1 failed: FATAL: no (SQLSTATE 28P01)");
  }
}

TEST_CASE("a failure counts more than a host that is not the primary") {
  const std::string standby = "connection to server at \"a\", port 1 failed: server is in hot standby mode\n";
  const std::string read_only = "connection to server at \"a\", port 1 failed: session is read-only\n";
  const std::string primary =
      "connection to server at \"b\", port 1 failed: FATAL:  28P01: no\nLOCATION:  x\n";
  for (const std::string& message : {standby + primary, primary + standby, read_only + primary}) {
    const pg::ConnectFailure failure(message);
    CHECK(failure.sqlstate == "28P01");
    CHECK_FALSE(failure.is_transient());
    CHECK(failure.text.starts_with(
        "connection to server at \"b\", port 1 failed: FATAL: no (SQLSTATE 28P01); connection to server at "
        "\"a\", port 1 failed: "));
  }
  CHECK(pg::ConnectFailure(standby).is_transient());
}

TEST_CASE("a message of no attempt is left as it is") {
  CHECK(said("").empty());
  CHECK(said("invalid port number: \"x\"\n") == "invalid port number: \"x\"");
  CHECK(said("could not translate host name \"x\" to address: Name or service not known\n") ==
        "could not translate host name \"x\" to address: Name or service not known");
}
