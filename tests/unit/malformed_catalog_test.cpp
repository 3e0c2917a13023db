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

constexpr Oid kInt4 = 23;

TypeRow domain(const std::string& name, Oid base) {
  return {.name = name, .schema = "s", .kind = 'd', .base = base};
}
TypeRow array(const std::string& name, Oid element) {
  return {.name = name, .schema = "s", .element = element, .is_array = true};
}

/// int4, and `levels` domains, or arrays and domains in turn, over it; the outermost is 1000.
TypeRows nested(int levels, bool arrays) {
  TypeRows types = {{kInt4, {.name = "int4", .schema = "pg_catalog"}}};
  for (int i = 0; i < levels; ++i) {
    const Oid inner = i + 1 == levels ? kInt4 : static_cast<Oid>(1001 + i);
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
                          {1003, array("b", 1004)},  {1004, domain("f", 1003)}, {1005, domain("g", 1005)}};
  for (const Oid type : {1000U, 1002U, 1003U, 1005U}) {
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
  CHECK(base_type(nested(100, false), 1000) == kInt4);
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
  CHECK_THROWS_WITH(one.character(0, 0), kMalformed + "\"a\" is '', not one character");
  CHECK_THROWS_WITH(one.character(0, 1), kMalformed + "\"b\" is NULL, not one character");
  CHECK_THROWS_WITH(one.number(0, 0), kMalformed + "\"a\" is '', not a number");
  CHECK(one.number(0, 1) == 0);
  CHECK(one.oid(0, 1) == 0);
  CHECK(one.text(0, 1).empty());
  CHECK_THROWS_WITH(one.text(1, 0), kMalformed + "a value is missing");
  CHECK_THROWS_WITH(one.text(0, 2), kMalformed + "a value is missing");
  CHECK_THROWS_WITH(rows({}).flag(0, 0), kMalformed + "a value is missing");

  const pg::Result other = rows({"rr", "4294967296", "-1", "4294967295"});
  CHECK_THROWS_WITH(other.character(0, 0), kMalformed + "\"a\" is 'rr', not one character");
  CHECK_THROWS_WITH(other.oid(0, 1), kMalformed + "\"b\" is '4294967296', not an OID");
  CHECK_THROWS_WITH(other.oid(1, 0), kMalformed + "\"a\" is '-1', not an OID");
  CHECK(other.oid(1, 1) == 4294967295U);
}

TEST_CASE("a position in a list that was not given is an error") {
  const pg::Result positions = rows({"1", "2", "0", "3"});
  CHECK(positions.index(0, 0, 2) == 0);
  CHECK(positions.index(0, 1, 2) == 1);
  CHECK_THROWS_WITH(positions.index(1, 0, 2), kMalformed + "\"a\" is '0', not a number from 1 to 2");
  CHECK_THROWS_WITH(positions.index(1, 1, 2), kMalformed + "\"b\" is '3', not a number from 1 to 2");
  CHECK_THROWS_AS(rows({{}, {}}).index(0, 0, 2), Error);
}

TEST_CASE("a list of names that is none is an error") {
  CHECK(rows({R"(["a","b"])", "[]"}).text_list(0, 0) == std::vector<std::string>{"a", "b"});
  CHECK(rows({R"(["a","b"])", "[]"}).text_list(0, 1).empty());
  for (const char* text : {"", "[1]", "{}", "[", "\"a\"", R"(["a",null])"}) {
    CHECK_THROWS_WITH(rows({text, "[]"}).text_list(0, 0),
                      kMalformed + "\"a\" is '" + text + "', not a JSON array of strings");
  }
}
