// SPDX-License-Identifier: Apache-2.0
#include "sync/wal/wal2json_options.hpp"

#include "catch.hpp"
#include "sync/wal/replication_error.hpp"

using namespace tap;
using namespace tap::sync;

namespace {

using Options = pg::ReplicationStream::Options;

pg::ServerError unknown(const std::string& option, const std::string& sqlstate = "22023") {
  return {R"(ERROR: option ")" + option + R"(" = "true" is unknown)", sqlstate};
}

}  // namespace

TEST_CASE("wal2json gets format 2 and all tables by default") {
  const Wal2jsonOptions options{config::Config()};
  CHECK_FALSE(options.is_format_1());
  CHECK(options.build("") == Options{{"format-version", "2"},
                                     {"include-lsn", "true"},
                                     {"include-timestamp", "true"},
                                     {"include-xids", "true"},
                                     {"include-types", "false"}});
}

TEST_CASE("wal2json gets the options of the config") {
  config::Config config;
  config.log.format = config::LogSettings::Format::v1;
  config.values.non_finite_numbers = value::EncodingOptions::NonFinite::string;
  const Wal2jsonOptions options(config);
  CHECK(options.is_format_1());
  CHECK(options.build("public.a,public.b") == Options{{"format-version", "1"},
                                                      {"include-lsn", "true"},
                                                      {"include-timestamp", "true"},
                                                      {"include-xids", "true"},
                                                      {"include-types", "false"},
                                                      {"write-in-chunks", "true"},
                                                      {"numeric-data-types-as-string", "true"},
                                                      {"add-tables", "public.a,public.b"}});
}

TEST_CASE("options that the server's wal2json does not support are left out") {
  Wal2jsonOptions options{config::Config()};
  CHECK(options.leave_out_unsupported(unknown("format-version")));
  CHECK(options.is_format_1());
  CHECK(options.leave_out_unsupported(unknown("add-tables")));
  CHECK(options.build("public.a") == Options{{"include-lsn", "true"},
                                             {"include-timestamp", "true"},
                                             {"include-xids", "true"},
                                             {"include-types", "false"},
                                             {"write-in-chunks", "true"}});
}

TEST_CASE("options that the reader needs are not left out") {
  Wal2jsonOptions options{config::Config()};
  CHECK_FALSE(options.leave_out_unsupported(unknown("include-lsn")));
  CHECK_FALSE(options.leave_out_unsupported(unknown("format-version", "42704")));
  CHECK_FALSE(options.leave_out_unsupported({"ERROR: replication slot \"s\" is active", "22023"}));
  CHECK(options.build("").size() == 5);
}

TEST_CASE("an error that ends replication is about a change, or not") {
  const auto is_about_change = [](const char* sqlstate) {
    return ReplicationError({"ERROR: test", sqlstate}).is_about_change();
  };
  CHECK(is_about_change("22P02"));
  CHECK(is_about_change("54000"));
  CHECK(is_about_change("0A000"));
  CHECK(is_about_change("XX000"));
  CHECK_FALSE(is_about_change("58P01"));
  CHECK_FALSE(is_about_change("55000"));
}
