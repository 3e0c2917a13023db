// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <fstream>

#include <unistd.h>

#include <tap/base/error.hpp>
#include <tap/config/config.hpp>

#include "catch.hpp"

using namespace tap;

namespace {

/// A config file that goes with the test.
class ConfigFile {
 public:
  explicit ConfigFile(const std::string& text) {
    const int file = mkstemp(path_.data());
    REQUIRE(file >= 0);
    close(file);
    std::ofstream(path_) << text;
  }
  ~ConfigFile() { unlink(path_.c_str()); }
  ConfigFile(const ConfigFile&) = delete;
  ConfigFile& operator=(const ConfigFile&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_ = "/tmp/tap-config-XXXXXX";
};

const std::string kServer = R"("host": "db", "user": "tap", "dbname": "shop")";

config::Config load(const std::string& more) {
  return config::load({ConfigFile("{" + kServer + more + "}").path()});
}

std::string problem(const std::string& text) {
  const ConfigFile file(text);
  try {
    config::load({file.path()});
  } catch (const Error& error) {
    CHECK(error.code() == ExitCode::usage);
    std::string what = error.what();
    REQUIRE(what.compare(0, file.path().size(), file.path()) == 0);
    return what.substr(file.path().size());
  }
  return "";
}

}  // namespace

TEST_CASE("strings and native JSON types are equivalent") {
  for (const char* port : {"5433", "\"5433\""}) {
    CHECK(load(std::string(R"(, "port": )") + port).server.keywords.at("port") == "5433");
  }
  for (const char* yes : {"true", "\"true\"", "\"True\"", "1"}) {
    CHECK(load(std::string(R"(, "json_as_object": )") + yes).values.json_as_object);
  }
  for (const char* no : {"false", "\"false\"", "\"\"", "null"}) {
    CHECK_FALSE(load(std::string(R"(, "json_as_object": )") + no).values.json_as_object);
  }
  const std::vector<std::string> two = {"a", "b c"};
  CHECK(load(R"(, "filter_dbs": " a , b c,")").filter_dbs == two);
  CHECK(load(R"(, "filter_schemas": ["a", "b c"])").filter_schemas == two);
}

TEST_CASE("each host has a port, and hostaddr replaces host") {
  CHECK(load(R"(, "host": "a,b", "port": "5432, 5433")").server.keywords.at("port") == "5432,5433");
  const ConfigFile file(R"({"hostaddr": "127.0.0.1", "user": "tap", "dbname": "shop"})");
  CHECK(config::load({file.path()}).server.describe("shop") == "127.0.0.1:5432, database shop, user tap");
}

TEST_CASE("the Python taps' names for one key are equivalent") {
  const ConfigFile file(R"({"host": "db", "user": "tap", "database": "shop"})");
  CHECK(config::load({file.path()}).server.database() == "shop");
}

TEST_CASE("ssl means sslmode require unless sslmode is set") {
  CHECK(load(R"(, "ssl": "true")").server.keywords.at("sslmode") == "require");
  CHECK(load(R"(, "ssl": "true", "sslmode": "verify-full")").server.keywords.at("sslmode") == "verify-full");
  CHECK(load(R"(, "sslmode": "verify-full", "ssl": true)").server.keywords.at("sslmode") == "verify-full");
  CHECK(load(R"(, "ssl": "false")").server.keywords.count("sslmode") == 0);
}

TEST_CASE("ssh_tunnel is an object, its text, or a key for each member") {
  for (
      const char* tunnel :
      {R"("ssh_tunnel": {"host": "jump", "port": "2222", "username": "me"})",
       R"("ssh_tunnel": "{\"host\": \"jump\", \"port\": 2222, \"username\": \"me\"}")",
       R"("ssh_tunnel_host": "jump", "ssh_tunnel_port": 2222, "ssh_tunnel_username": "me")",
       R"("ssh_tunnel.host": "jump", "ssh_tunnel": {"enable": "true", "port": 2222}, "ssh_tunnel_username": "me")"}) {
    CAPTURE(tunnel);
    const config::Config config = load(std::string(", ") + tunnel);
    CHECK(config.tunnel.host == "jump");
    CHECK(config.tunnel.port == 2222);
    CHECK(config.tunnel.username == "me");
    REQUIRE(config.server.tunnel);
    CHECK(config.server.describe("shop") == "db:5432, database shop, user tap, through SSH jump:2222");
  }
  for (const char* none : {R"("ssh_tunnel": {"enable": false, "host": "jump"})", R"("ssh_tunnel": null)",
                           R"("ssh_tunnel": {})", R"("ssh_tunnel": "")", R"("ssh_tunnel": false)",
                           R"("ssh_tunnel_enable": "false", "ssh_tunnel_host": "jump")"}) {
    CAPTURE(none);
    CHECK_FALSE(load(std::string(", ") + none).server.tunnel);
  }
}

TEST_CASE("an invalid ssh_tunnel names the member and hides secrets") {
  const auto said = [](const std::string& tunnel) { return problem("{" + kServer + ", " + tunnel + "}"); };
  CHECK(said(R"("ssh_tunnel": {"host": "h", "port": "abc"})") ==
        ": \"ssh_tunnel.port\" must be a whole number, but is \"abc\"");
  CHECK(said(R"("ssh_tunnel": {"host": "h", "port": 0})") ==
        ": \"ssh_tunnel.port\" must be a port, 1 to 65535, but is 0");
  CHECK(said(R"("ssh_tunnel": {"host": "h", "enable": "perhaps"})") ==
        ": \"ssh_tunnel.enable\" must be true or false, but is \"perhaps\"");
  CHECK(said(R"("ssh_tunnel": {"host": "h", "private_key": ["secret"]})") ==
        ": \"ssh_tunnel.private_key\" must be text, but is something else");
  CHECK(said(R"("ssh_tunnel": {"host": "h", "host_key": "ab:cd"})") ==
        ": \"ssh_tunnel.host_key\" must be a fingerprint SHA256:..., a public key, or any, but is \"ab:cd\"");
  CHECK(said(R"("ssh_tunnel": ["secret"])") == ": \"ssh_tunnel\" must be an object, but is something else");
  CHECK(said(R"("ssh_tunnel": "secret")") == ": \"ssh_tunnel\": not valid JSON at line 1, column 1");
  CHECK(said(R"("ssh_tunnel": {"port": 22})") == ": missing required keys: ssh_tunnel.host");
}

TEST_CASE("later config files win key by key, ENV reads the environment") {
  const ConfigFile first("{" + kServer + R"(, "port": 1, "state_every_rows": 7})");
  const ConfigFile second(R"({"port": 2})");
  setenv("TAP_POSTGRES_PORT", "3", 1);
  CHECK(config::load({first.path(), second.path()}).server.keywords.at("port") == "2");
  CHECK(config::load({first.path(), second.path(), "ENV"}).server.keywords.at("port") == "3");
  CHECK(config::load({"ENV", first.path()}).server.keywords.at("port") == "1");
  CHECK(config::load({first.path(), second.path()}).state_every_rows == 7);
  unsetenv("TAP_POSTGRES_PORT");
}

TEST_CASE("the names of one key replace each other") {
  const ConfigFile first("{" + kServer + R"(, "custom_where_clauses": {"a.b": "x"}, "limit": 1})");
  const ConfigFile second(R"({"database": "x", "where": {"a.c": "y"}, "max_record_count": 2})");
  const ConfigFile third(R"({"dbname": "other", "stream_options": {"a-d": {"custom_where_clauses": "z"}}})");
  const auto two = config::load({first.path(), second.path()});
  CHECK(two.server.database() == "x");
  CHECK(two.limit == 2);
  REQUIRE(two.where.size() == 1);
  CHECK(two.where[0].place == second.path() + R"(: "where" of "a.c")");
  CHECK(config::load({second.path(), first.path()}).limit == 1);
  const auto three = config::load({first.path(), second.path(), third.path()});
  CHECK(three.server.database() == "other");
  CHECK(three.where.size() == 2);
  setenv("TAP_POSTGRES_DATABASE", "environment", 1);
  CHECK(config::load({third.path(), first.path(), "ENV"}).server.database() == "environment");
  CHECK(config::load({"ENV", first.path()}).server.database() == "shop");
  unsetenv("TAP_POSTGRES_DATABASE");
  const ConfigFile both(
      R"({"where": {"a.b": "x"}, "custom_where_clauses": {"a.c": "y"}, "dbname": "both", "database": null})");
  const auto all = config::load({first.path(), both.path()});
  CHECK(all.where.size() == 2);
  CHECK(all.server.database() == "both");
}

TEST_CASE("ssh_tunnel of several files is merged member by member") {
  const ConfigFile first("{" + kServer + R"(, "ssh_tunnel": {"host": "jump", "port": 1, "username": "me"}})");
  const ConfigFile second(R"({"ssh_tunnel_port": 2, "ssh_tunnel": {"host": "other"}})");
  const auto tunnel = config::load({first.path(), second.path()}).tunnel;
  CHECK(tunnel.host == "other");
  CHECK(tunnel.port == 2);
  CHECK(tunnel.username == "me");
}

TEST_CASE("the singer-io dialect leaves other types out unless other_types is set") {
  using value::EncodingOptions;
  CHECK(load("").values.other_types == EncodingOptions::OtherTypes::string);
  CHECK(load(R"(, "schema_dialect": "singer-io")").values.other_types ==
        EncodingOptions::OtherTypes::unsupported);
  CHECK(load(R"(, "schema_dialect": "singer-io", "other_types": "string")").values.other_types ==
        EncodingOptions::OtherTypes::string);
}

TEST_CASE("logical_decoding_plugin is pgoutput, wal2json or auto") {
  using Plugin = config::LogSettings::Plugin;
  CHECK(load("").log.plugin == Plugin::automatic);
  CHECK(load(R"(, "logical_decoding_plugin": "auto")").log.plugin == Plugin::automatic);
  CHECK(load(R"(, "logical_decoding_plugin": "pgoutput")").log.plugin == Plugin::pgoutput);
  CHECK(load(R"(, "logical_decoding_plugin": "wal2json")").log.plugin == Plugin::wal2json);
  CHECK(problem("{" + kServer + R"(, "logical_decoding_plugin": "test_decoding"})") ==
        ": \"logical_decoding_plugin\" must be one of auto, pgoutput, wal2json, but is \"test_decoding\"");
}

TEST_CASE("publication_name is a name, several names, or a JSON list") {
  using Names = std::vector<std::string>;
  CHECK(load("").log.publications == Names{"tap_postgres"});
  CHECK(load(R"(, "publication_name": "")").log.publications == Names{"tap_postgres"});
  CHECK(load(R"(, "publication_name": "shop")").log.publications == Names{"shop"});
  CHECK(load(R"(, "publication_name": " shop, Orders ,shop")").log.publications == Names{"shop", "Orders"});
  CHECK(load(R"(, "publication_name": ["a,b", "c"])").log.publications == Names{"a,b", "c"});
}

TEST_CASE("create_publication is create_replication_slot unless it is set") {
  CHECK_FALSE(load("").log.creates_publication());
  CHECK(load(R"(, "create_replication_slot": true)").log.creates_publication());
  CHECK_FALSE(
      load(R"(, "create_replication_slot": true, "create_publication": false)").log.creates_publication());
  CHECK(load(R"(, "create_publication": "true")").log.creates_publication());
}

TEST_CASE("failover_slot is off unless it is set") {
  CHECK_FALSE(load("").log.failover_slot);
  CHECK(load(R"(, "failover_slot": true)").log.failover_slot);
}

TEST_CASE("an invalid config names file, key and expected value") {
  CHECK(problem("{" + kServer + R"(, "port": "abc"})") ==
        ": \"port\" must be a whole number, but is \"abc\"");
  CHECK(problem("{" + kServer + R"(, "port": "5432,"})") ==
        ": \"port\" must be a whole number, but is \"5432,\"");
  CHECK(problem("{" + kServer + R"(, "port": 70000})") ==
        ": \"port\" must be a port, 1 to 65535, but is 70000");
  CHECK(problem("{" + kServer + R"(, "parallel": 0})") ==
        ": \"parallel\" must be a number of connections, 1 to 64, but is 0");
  CHECK(problem("{" + kServer + R"(, "parallel": 65})") ==
        ": \"parallel\" must be a number of connections, 1 to 64, but is 65");
  CHECK(problem("{" + kServer + R"(, "json_as_object": "perhaps"})") ==
        ": \"json_as_object\" must be true or false, but is \"perhaps\"");
  CHECK(problem("{" + kServer + R"(, "filter_dbs": 5})") ==
        ": \"filter_dbs\" must be a list of names, but is 5");
  CHECK(problem("{" + kServer + R"(, "out_of_range_dates": "drop"})") ==
        ": \"out_of_range_dates\" must be one of clamp, null, string, error, but is \"drop\"");
  CHECK(problem("{" + kServer + R"(, "password": ["x"]})") ==
        ": \"password\" must be text, but is something else");
  CHECK(problem("[]") == ": must be a JSON object, but is array");
  CHECK(problem("{") == ": not valid JSON at line 1, column 2");
  CHECK(problem(R"({"host": "db"})") == ": missing required keys: dbname, user");
}

TEST_CASE("a config file that cannot be read is named") {
  REQUIRE_THROWS_WITH(config::load({"/nowhere/c.json"}),
                      "/nowhere/c.json: cannot read: No such file or directory");
}

TEST_CASE("an sslmode weaker than another key requires is rejected") {
  const auto weaker = [](const std::string& key, const std::string& least, const std::string& mode) {
    return ": \"" + key + "\" requires sslmode \"" + least +
           "\" or stronger, but the connection would use \"" + mode + "\"; remove one of the two";
  };
  const auto with = [](const std::string& keys, const std::string& mode, const std::string& url = "url") {
    return problem("{" + keys + ", \"" + url + "\": \"postgresql://tap@db/shop?sslmode=" + mode + "\"}");
  };
  CHECK(with(R"("ssl_enable": true, "ssl_mode": "verify-full")", "disable", "sqlalchemy_url") ==
        weaker("ssl_mode", "verify-full", "disable"));
  CHECK(with(R"("ssl_enable": true)", "prefer") == weaker("ssl_enable", "require", "prefer"));
  CHECK(with(R"("sslmode": "verify-full")", "prefer") == weaker("sslmode", "verify-full", "prefer"));
  CHECK(with(R"("ssl": "true")", "allow") == weaker("ssl", "require", "allow"));
  CHECK(with(R"("sqlalchemy_url": "postgresql://tap@db/shop?sslmode=verify-ca")", "require") ==
        weaker("sqlalchemy_url", "verify-ca", "require"));
  CHECK(with(R"("sslmode": "prefer")", "verify-full").empty());
  CHECK(with(R"("ssl_enable": true)", "require").empty());
  CHECK(with(R"("ssl": false, "ssl_enable": "")", "disable").empty());
  CHECK(problem(
            R"({"channel_binding": "require", "url": "postgresql://tap@db/shop?channel_binding=prefer"})") ==
        ": \"channel_binding\" and the URI have different values; remove one of them");
}

TEST_CASE("keys of other taps that affect no connection are ignored") {
  for (const char* key :
       {"batch_size", "max_batch_rows", "schema_name", "sql", "Password_File", "api_key", "urls"}) {
    INFO(key);
    CHECK(problem("{" + kServer + ", \"" + key + "\": 1}").empty());
  }
}

TEST_CASE("row filters are conditions by stream") {
  const auto filters = [](const std::string& setting) {
    std::string all;
    for (const config::RowFilter& filter : load(", " + setting).where) {
      all += filter.stream + ":";
      for (const std::string& condition : filter.conditions) {
        all += " " + condition + ";";
      }
    }
    return all;
  };
  for (const char* key : {"where", "custom_where_clauses"}) {
    const std::string name = std::string("\"") + key + "\": ";
    CHECK(filters(name + R"({"public.a": "id > 5", "public-b": ["x", " ", "y"]})") ==
          "public.a: id > 5;public-b: x; y;");
    CHECK(filters(name + R"("{\"public.a\": \"id > 5\"}")") == "public.a: id > 5;");
    for (const char* none : {"{}", "\"\"", "null", R"({"public.a": null})"}) {
      CHECK(filters(name + none).empty());
    }
    CHECK(filters(name + R"({"public.a": ""})") == "public.a:");
  }
  CHECK(filters(R"("stream_options": {"public-a": {"custom_where_clauses": ["x", "y"]}, "public-b": {}})") ==
        "public-a: x; y;");
  CHECK(filters(R"("where": {"a.b": "x"}, "stream_options": {"a-b": {"custom_where_clauses": ["y"]}})") ==
        "a.b: x;a-b: y;");
}

TEST_CASE("a row filter knows where it was given") {
  const ConfigFile file("{" + kServer + R"(, "where": {"public.a": "x"},
    "stream_options": {"public-a": {"custom_where_clauses": ["y"]}}})");
  const auto where = config::load({file.path()}).where;
  REQUIRE(where.size() == 2);
  CHECK(where[0].place == file.path() + R"(: "where" of "public.a")");
  CHECK(where[1].place == file.path() + R"(: "stream_options" of "public-a")");
}

TEST_CASE("a malformed row filter is an error") {
  const auto said = [](const std::string& setting) { return problem("{" + kServer + ", " + setting + "}"); };
  CHECK(said(R"("where": ["id > 5"])") == R"(: "where" must be an object, but is ["id > 5"])");
  CHECK(said(R"("where": "id > 5")") == R"(: "where": not valid JSON at line 1, column 1)");
  CHECK(said(R"("where": {"public.a": 5})") ==
        R"(: "where" must be an object of SQL conditions, like {"public.orders": "id > 5"} or )"
        R"({"public.orders": ["id > 5"]}, but is {"public.a":5})");
  CHECK(
      said(R"("stream_options": {"public-a": ["x"]})") ==
      R"(: "stream_options" must be an object like {"public-orders": {"custom_where_clauses": ["id > 5"]}}, )"
      R"(but is {"public-a":["x"]})");
}
