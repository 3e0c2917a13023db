// SPDX-License-Identifier: Apache-2.0
// Answers that no server in its right mind gives: each is an error that says so.
#include <memory>

#include <tap/base/error.hpp>
#include <tap/pg/result.hpp>
#include <tap/pgtypes/type_row.hpp>
#include <tap/value/type.hpp>

#include "catch.hpp"

using namespace tap;

namespace {

TypeRow domain(const std::string& name, Oid base) {
  return {.name = name, .schema = "s", .kind = 'd', .base = base};
}
TypeRow array(const std::string& name, Oid element) {
  return {.name = name, .schema = "s", .element = element, .is_array = true};
}

TypeRow range(const std::string& name, Oid subtype) {
  return {.name = name, .schema = "s", .kind = 'r', .subtype = subtype};
}

/// int4, and `levels` domains, or arrays and domains in turn, over it; the outermost is 1000.
TypeRows nested(int levels, bool arrays) {
  TypeRows types = {{oids::kInt4, {.name = "int4", .schema = "pg_catalog"}}};
  for (int i = 0; i < levels; ++i) {
    const Oid inner = i + 1 == levels ? oids::kInt4 : static_cast<Oid>(1001 + i);
    types[static_cast<Oid>(1000 + i)] = arrays && i % 2 == 0 ? array("a", inner) : domain("d", inner);
  }
  return types;
}

pg::Result rows(const std::vector<std::string_view>& cells) {
  return {nullptr, {"a", "b"}, cells};
}

const std::string kMalformed = "the server's answer to a catalog query is malformed: ";
const std::string kCatalog = "the server's catalog is malformed: ";

}  // namespace

TEST_CASE("a type that contains itself is an error") {
  const TypeRows types = {{1000, domain("d", 1001)}, {1001, domain("e", 1000)}, {1002, array("a", 1002)},
                          {1003, array("b", 1004)},  {1004, domain("f", 1003)}, {1005, domain("g", 1005)},
                          {1006, range("r", 1006)}};
  for (const Oid type : {1000U, 1002U, 1003U, 1005U, 1006U}) {
    CAPTURE(type);
    CHECK_THROWS_AS(value::resolve(types, type, -1), Error);
  }
  CHECK_THROWS_WITH(value::resolve(types, 1005, -1),
                    kCatalog + "type s.g contains itself, or more than 100 others");
  CHECK_THROWS_WITH(base_type(types, 1005), kCatalog + "type s.g contains itself, or more than 100 others");
  CHECK_THROWS_AS(base_type(types, 1000), Error);
}

TEST_CASE("types are nested a hundred deep, and no deeper") {
  for (const bool arrays : {false, true}) {
    CHECK_NOTHROW(value::resolve(nested(100, arrays), 1000, -1));
    CHECK_THROWS_AS(value::resolve(nested(101, arrays), 1000, -1), Error);
    CHECK_THROWS_AS(value::resolve(nested(100'000, arrays), 1000, -1), Error);
  }
  CHECK(base_type(nested(100, false), 1000) == oids::kInt4);
  CHECK_THROWS_AS(base_type(nested(101, false), 1000), Error);
}

TEST_CASE("a type that is not in pg_type is an error") {
  const std::string text = kCatalog + "pg_type has no row for OID 7";
  const TypeRows types = {{1000, domain("d", 7)}, {1001, array("a", 7)}};
  CHECK_THROWS_WITH(value::resolve(types, 7, -1), text);
  CHECK_THROWS_WITH(value::resolve(types, 1000, -1), text);
  CHECK_THROWS_WITH(value::resolve(types, 1001, -1), text);
  CHECK_THROWS_WITH(base_type(types, 7), text);
  CHECK_THROWS_WITH(base_type(types, 1000), text);
}

TEST_CASE("a value that is not what a catalog column holds is an error") {
  const pg::Result one = rows({"", {}});
  CHECK_THROWS_WITH(one[0].character("a"), kMalformed + "\"a\" is '', not one character");
  CHECK_THROWS_WITH(one[0].character("b"), kMalformed + "\"b\" is NULL, not one character");
  CHECK_THROWS_WITH(one[0].number("a"), kMalformed + "\"a\" is '', not a number");
  CHECK(one[0].number("b") == 0);
  CHECK(one[0].oid("b") == 0);
  CHECK(one[0].text("b").empty());
  CHECK_THROWS_WITH(one[1].text("a"), kMalformed + "a value is missing");
  CHECK_THROWS_WITH(one.first().text("c"), "a catalog query has no column \"c\"");
  CHECK_THROWS_WITH(one.first().view(2), kMalformed + "a value is missing");
  const pg::Result none = rows({});
  CHECK_THROWS_WITH(none.first().flag("a"), kMalformed + "a value is missing");

  const pg::Result other = rows({"rr", "4294967296", "-1", "4294967295"});
  CHECK_THROWS_WITH(other[0].character("a"), kMalformed + "\"a\" is 'rr', not one character");
  CHECK_THROWS_WITH(other[0].oid("b"), kMalformed + "\"b\" is '4294967296', not an OID");
  CHECK_THROWS_WITH(other[1].oid("a"), kMalformed + "\"a\" is '-1', not an OID");
  CHECK(other[1].oid("b") == 4294967295U);
}

TEST_CASE("a position in a list that was not given is an error") {
  const pg::Result positions = rows({"1", "2", "0", "3"});
  CHECK(positions[0].index("a", 2) == 0);
  CHECK(positions[0].index("b", 2) == 1);
  CHECK_THROWS_WITH(positions[1].index("a", 2), kMalformed + "\"a\" is '0', not a number from 1 to 2");
  CHECK_THROWS_WITH(positions[1].index("b", 2), kMalformed + "\"b\" is '3', not a number from 1 to 2");
  const pg::Result nulls = rows({{}, {}});
  CHECK_THROWS_AS(nulls.first().index("a", 2), Error);
}

TEST_CASE("a list of names that is malformed is an error") {
  const pg::Result lists = rows({R"(["a","b"])", "[]"});
  CHECK(lists.first().text_list("a") == std::vector<std::string>{"a", "b"});
  CHECK(lists.first().text_list("b").empty());
  for (const char* text : {"", "[1]", "{}", "[", "\"a\"", R"(["a",null])"}) {
    const pg::Result malformed = rows({text, "[]"});
    CHECK_THROWS_WITH(malformed.first().text_list("a"),
                      kMalformed + "\"a\" is '" + text + "', not a JSON array of strings");
  }
}

TEST_CASE("rows are read by the names of their columns, in any order") {
  std::string seen;
  for (const pg::Row row : rows({"1", "2", {}, "4"})) {
    seen += row.text("b") + (row.is_null("a") ? "-" : row.text("a")) + row.text("b") + ";";
  }
  CHECK(seen == "212;4-4;");
  CHECK(rows({}).is_empty());
}
