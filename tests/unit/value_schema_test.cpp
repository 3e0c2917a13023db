// SPDX-License-Identifier: Apache-2.0
#include <tap/value/schema.hpp>

#include "value_support.hpp"

using namespace tap;
using namespace tap::value;

namespace {

constexpr EncodingOptions kSingerIo = {.schema_dialect = EncodingOptions::Dialect::singer_io};
constexpr EncodingOptions kDecimalStrings = {.numeric_as = EncodingOptions::NumericAs::decimal_string};
constexpr EncodingOptions kJsonAsObject = {.json_as_object = true};

std::string portable(std::string_view type, std::int32_t modifier = -1, const EncodingOptions& options = {}) {
  return to_text(json_schema(type_of(type, modifier), false, options));
}
std::string portable_key(std::string_view type, std::int32_t modifier = -1) {
  return to_text(json_schema(type_of(type, modifier), true, {}));
}
std::string singer_io(std::string_view type, std::int32_t modifier = -1, bool is_key = false) {
  return to_text(json_schema(type_of(type, modifier), is_key, kSingerIo));
}
std::string singer_io_list(const std::string& definition) {
  return R"({"type":["null","array"],"items":{"$ref":"#/definitions/sdc_recursive_)" + definition +
         R"(_array"}})";
}

const std::string kString = R"({"type":["null","string"]})";

}  // namespace

TEST_CASE("types are resolved through their domains") {
  CHECK(type_of("posint").entry == type_of("int4").entry);
  CHECK(type_of("net_price").entry == type_of("numeric").entry);
  CHECK(type_of("net_price").modifier == numeric_modifier(12, 2));
  CHECK(type_of("intarr").entry == type_of("int4[]").entry);
  CHECK(type_of("intarr[]").element->element->entry == type_of("int4").entry);
  CHECK(type_of("numeric[]", numeric_modifier(5, 1)).element->modifier == numeric_modifier(5, 1));
  CHECK(type_of("box[]").delimiter == ';');
}

TEST_CASE("types with a binary encoder") {
  const auto with = GENERATE(
      as<std::string>(), "int2", "int4", "int8", "float4", "float8", "bool", "numeric", "text", "varchar",
      "bpchar", "name", "citext", "mood", "bytea", "uuid", "date", "timestamp", "timestamptz", "time",
      "timetz", "json", "jsonb", "hstore", "posint", "intarr", "xml", "cidr", "inet", "macaddr", "macaddr8",
      "interval", "bit", "varbit", "oid", "tid", "xid", "cid", "xid8", "pg_lsn", "txid_snapshot",
      "pg_snapshot", "tsvector", "jsonpath", "refcursor", "int4range", "tsmultirange", "pricerange", "period",
      "point", "lseg", "path", "box", "polygon", "line", "circle");
  CAPTURE(with);
  CHECK(has_binary(type_of(with)));
  CHECK(has_binary(type_of(with + "[]")));
}

TEST_CASE("types that are read as text") {
  const auto without = GENERATE(as<std::string>(), "char", "money", "tsquery", "regclass", "pair",
                                "textrange", "textmultirange", "listrange");
  CAPTURE(without);
  CHECK(!has_binary(type_of(without)));
  CHECK(!has_binary(type_of(without + "[]")));
  CHECK_THROWS_AS(Encoder(type_of(without), Format::binary, {}, "t.c"), std::logic_error);
  CHECK_THROWS_AS(Encoder(type_of(without + "[]"), Format::binary, {}, "t.c"), std::logic_error);
}

TEST_CASE("types that the Python tap does not support are other types; of arrays, only bytea[]") {
  const auto other =
      GENERATE(as<std::string>(), "bytea", "name", "char", "xml", "interval", "varbit", "point", "pair");
  CAPTURE(other);
  CHECK(is_other(type_of(other)));
  CHECK(is_other(type_of(other + "[]")) == (other == "bytea"));
  CHECK(portable(other) == kString);
  CHECK(portable(other + "[]") == R"({"type":["null","array"],"items":{"type":["null","string","array"]}})");
  CHECK(singer_io(other) == "{}");
  CHECK(singer_io(other + "[]") == (other == "bytea" ? "{}" : singer_io_list("string")));
}

TEST_CASE("domains, hstore and citext are not other types, in any schema") {
  const auto supported = GENERATE(as<std::string>(), "posint", "net_price", "intarr", "hstore", "citext",
                                  "mood", "money", "cidr", "inet", "macaddr", "uuid", "json");
  CAPTURE(supported);
  CHECK(!is_other(type_of(supported)));
  CHECK(!is_other(type_of(supported + "[]")));
}

TEST_CASE("a user-defined composite type named hstore is not the extension's type") {
  CHECK(is_other(resolve(type_rows(), 20014, -1)));
}

TEST_CASE("oidvector is a string and an other type, not an array") {
  CHECK(is_other(type_of("oidvector")));
  CHECK(portable("oidvector") == kString);
}

TEST_CASE("the portable schema") {
  CHECK(portable("int2") == R"({"type":["null","integer"],"minimum":-32768,"maximum":32767})");
  CHECK(portable("int4") == R"({"type":["null","integer"],"minimum":-2147483648,"maximum":2147483647})");
  CHECK(portable("int8") ==
        R"({"type":["null","integer"],"minimum":-9223372036854775808,"maximum":9223372036854775807})");
  CHECK(portable("numeric", numeric_modifier(12, 2)) == R"({"type":["null","number"]})");
  CHECK(portable("float4") == R"({"type":["null","number"]})");
  CHECK(portable("float8") == R"({"type":["null","number"]})");
  CHECK(portable("bool") == R"({"type":["null","boolean"]})");
  CHECK(portable("bit") == R"({"type":["null","boolean"]})");
  CHECK(portable("bit", 1) == R"({"type":["null","boolean"]})");
  CHECK(portable("bit", 5) == kString);
  CHECK(portable("date") == R"({"type":["null","string"],"format":"date-time"})");
  CHECK(portable("timestamp") == R"({"type":["null","string"],"format":"date-time"})");
  CHECK(portable("timestamptz") == R"({"type":["null","string"],"format":"date-time"})");
  CHECK(portable("varchar", 24) == R"({"type":["null","string"],"maxLength":20})");
  CHECK(portable("bpchar", 5) == R"({"type":["null","string"],"maxLength":1})");
  CHECK(portable("varchar") == kString);
  CHECK(portable("hstore") ==
        R"({"type":["null","object"],"additionalProperties":{"type":["null","string"]}})");
  const auto string = GENERATE(as<std::string>(), "text", "uuid", "citext", "json", "jsonb", "money", "cidr",
                               "inet", "macaddr", "mood", "time", "timetz");
  CAPTURE(string);
  CHECK(portable(string) == kString);
}

TEST_CASE("the portable schema of an array has the element's type and format") {
  const auto list = [](const std::string& items) {
    return R"({"type":["null","array"],"items":{"type":["null",)" + items + "}}";
  };
  CHECK(portable("int4[]") == list(R"("integer","array"])"));
  CHECK(portable("intarr[]") == list(R"("integer","array"])"));
  CHECK(portable("numeric[]", numeric_modifier(5, 2)) == list(R"("number","array"])"));
  CHECK(portable("varchar[]", 24) == list(R"("string","array"])"));
  CHECK(portable("timestamp[]") == list(R"("string","array"],"format":"date-time")"));
  CHECK(portable("bit[]", 1) == list(R"("boolean","array"])"));
  CHECK(portable("bit[]", 3) == list(R"("string","array"])"));
  CHECK(portable("hstore[]") ==
        list(R"("object","array"],"additionalProperties":{"type":["null","string"]})"));
  CHECK(portable("jsonb[]", -1, kJsonAsObject) == list(R"("object","array","string","number","boolean"])"));
  CHECK(portable("numeric[]", numeric_modifier(5, 2), kDecimalStrings) ==
        list(R"("string","array"],"format":"x-singer.decimal","precision":5,"scale":2)"));
}

TEST_CASE("a portable key column may not be null") {
  CHECK(portable_key("int2") == R"({"type":["integer"],"minimum":-32768,"maximum":32767})");
  CHECK(portable_key("varchar", 24) == R"({"type":["string"],"maxLength":20})");
  CHECK(portable_key("bytea") == R"({"type":["string"]})");
  CHECK(portable_key("int4[]") == R"({"type":["array"],"items":{"type":["null","integer","array"]}})");
}

TEST_CASE("the schema of a decimal string has the declared precision and scale") {
  const auto decimal = [](const std::string& end) {
    return R"({"type":["null","string"],"format":"x-singer.decimal")" + end + "}";
  };
  CHECK(portable("numeric", -1, kDecimalStrings) == decimal(""));
  CHECK(portable("numeric", numeric_modifier(12, 2), kDecimalStrings) ==
        decimal(R"(,"precision":12,"scale":2)"));
  CHECK(portable("numeric", numeric_modifier(3, -2), kDecimalStrings) ==
        decimal(R"(,"precision":3,"scale":-2)"));
  CHECK(portable("numeric", numeric_modifier(3, 5), kDecimalStrings) ==
        decimal(R"(,"precision":3,"scale":5)"));
  CHECK(portable("numeric", numeric_modifier(1000, 1000), kDecimalStrings) ==
        decimal(R"(,"precision":1000,"scale":1000)"));
  CHECK(portable("net_price", -1, kDecimalStrings) == decimal(R"(,"precision":12,"scale":2)"));
}

TEST_CASE("options that change values also change the schema") {
  CHECK(portable("jsonb", -1, kJsonAsObject) ==
        R"({"type":["null","object","array","string","number","boolean"]})");
  const EncodingOptions strings = {.non_finite_numbers = EncodingOptions::NonFinite::string};
  CHECK(portable("float8", -1, strings) == R"({"type":["null","number","string"]})");
  CHECK(portable("numeric[]", -1, strings) ==
        R"({"type":["null","array"],"items":{"type":["null","number","string","array"]}})");
  const EncodingOptions singer_io_objects = {.schema_dialect = EncodingOptions::Dialect::singer_io,
                                             .json_as_object = true};
  CHECK(portable("json", -1, singer_io_objects) == portable("json", -1, kJsonAsObject));
}

TEST_CASE("the Python tap's schema") {
  CHECK(singer_io("int2") == R"({"type":["null","integer"],"minimum":-32768,"maximum":32767})");
  CHECK(singer_io("int8", -1, true) ==
        R"({"type":["integer"],"minimum":-9223372036854775808,"maximum":9223372036854775807})");
  CHECK(singer_io("float4") == R"({"type":["null","number"]})");
  CHECK(singer_io("bool") == R"({"type":["null","boolean"]})");
  CHECK(singer_io("bit", 1) == R"({"type":["null","boolean"]})");
  CHECK(singer_io("bit", 5) == "{}");
  CHECK(singer_io("bytea", -1, true) == "{}");
  CHECK(singer_io("varchar", 24) == R"({"type":["null","string"],"maxLength":20})");
  CHECK(singer_io("text") == kString);
  CHECK(singer_io("timetz") == kString);
  CHECK(singer_io("timestamptz") == R"({"type":["null","string"],"format":"date-time"})");
  CHECK(singer_io("hstore") == R"({"type":["null","object"],"properties":{}})");
}

TEST_CASE("the Python tap's numeric has bounds of powers of ten") {
  const auto numeric = [](const std::string& maximum, const std::string& multiple) {
    return R"({"type":["null","number"],"exclusiveMaximum":true,"maximum":)" + maximum + R"(,"multipleOf":)" +
           multiple + R"(,"exclusiveMinimum":true,"minimum":-)" + maximum + "}";
  };
  const auto power = [](std::size_t exponent) { return std::string("1").append(exponent, '0'); };
  CHECK(singer_io("numeric") == numeric(power(62), "1e-38"));
  CHECK(singer_io("numeric", numeric_modifier(12, 2)) == numeric(power(10), "0.01"));
  CHECK(singer_io("numeric", numeric_modifier(12, 5)) == numeric(power(7), "1e-05"));
  CHECK(singer_io("numeric", numeric_modifier(12, 4)) == numeric(power(8), "0.0001"));
  CHECK(singer_io("numeric", numeric_modifier(5, 0)) == numeric("100000", "1"));
  CHECK(singer_io("numeric", numeric_modifier(19, 0)) == numeric(power(19), "1"));
  CHECK(singer_io("numeric", numeric_modifier(20, 0)) == numeric(power(20), "1"));
  CHECK(singer_io("numeric", numeric_modifier(5, 5)) == numeric("1", "1e-05"));
  CHECK(singer_io("numeric", numeric_modifier(3, 5)) == numeric("0.01", "1e-05"));
  CHECK(singer_io("numeric", numeric_modifier(3, -2)) == numeric("100000", "100"));
  const Log log;
  CHECK(singer_io("numeric", numeric_modifier(500, 100)) == numeric(power(62), "1e-38"));
  CHECK(singer_io("numeric", numeric_modifier(500, 10)) == numeric(power(90), "1e-10"));
  CHECK(log.text() ==
        "warning the JSON schema describes a numeric(500,100) column as numeric(100,38); a target may "
        "truncate its values\n"
        "warning the JSON schema describes a numeric(500,10) column as numeric(100,10); a target may "
        "truncate its values\n");
}

TEST_CASE("the Python tap's schema of an array refers to a definition") {
  const auto [type, definition] = GENERATE(table<std::string, std::string>({
      {"int2[]", "integer"},
      {"int8[]", "integer"},
      {"float8[]", "number"},
      {"bool[]", "boolean"},
      {"bit[]", "boolean"},
      {"date[]", "timestamp"},
      {"timestamp[]", "timestamp"},
      {"timestamptz[]", "timestamp"},
      {"hstore[]", "object"},
      {"text[]", "string"},
      {"time[]", "string"},
      {"json[]", "string"},
      {"mood[]", "string"},
      {"pair[]", "string"},
      {"interval[]", "string"},
      {"numeric[]", "decimal_100_38"},
      {"intarr[]", "integer"},
  }));
  CAPTURE(type);
  CHECK(singer_io(type) == singer_io_list(definition));
  CHECK(singer_io(type, -1, true) == singer_io_list(definition));
}

TEST_CASE("the definitions of the Python tap's schema") {
  Json definitions = fixed_definitions();
  std::vector<std::string> names;
  for (const auto& [name, definition] : definitions.items()) {
    names.push_back(name);
  }
  CHECK(names == std::vector<std::string>{"sdc_recursive_integer_array", "sdc_recursive_number_array",
                                          "sdc_recursive_string_array", "sdc_recursive_boolean_array",
                                          "sdc_recursive_timestamp_array", "sdc_recursive_object_array"});
  CHECK(
      to_text(definitions["sdc_recursive_integer_array"]) ==
      R"({"type":["null","integer","array"],"items":{"$ref":"#/definitions/sdc_recursive_integer_array"}})");
  CHECK(to_text(definitions["sdc_recursive_timestamp_array"]) ==
        R"({"type":["null","string","array"],"format":"date-time",)"
        R"("items":{"$ref":"#/definitions/sdc_recursive_timestamp_array"}})");

  add_definitions(definitions, type_of("int4[]"));
  add_definitions(definitions, type_of("numeric"));
  CHECK(definitions.size() == 6);
  add_definitions(definitions, type_of("numeric[]", numeric_modifier(12, 2)));
  add_definitions(definitions, type_of("numeric[]", numeric_modifier(12, 2)));
  CHECK(definitions.size() == 7);
  CHECK(
      to_text(definitions["sdc_recursive_decimal_12_2_array"]) ==
      R"({"type":["null","number","array"],"multipleOf":0.01,"exclusiveMaximum":true,"maximum":10000000000,)"
      R"("exclusiveMinimum":true,"minimum":-10000000000,)"
      R"("items":{"$ref":"#/definitions/sdc_recursive_decimal_12_2_array"}})");
}

TEST_CASE("options that make values fit the schema of another tap's catalog") {
  const auto fitting = [](std::string_view type, std::string_view property) {
    const Json root = Json::parse(R"({"definitions": {"any": {"type": ["null", "object", "array"]},
                                                      "text": {"type": ["null", "string", "array"]}}})");
    return options_for(type_of(type), Json::parse(property), root, {});
  };
  SECTION("json") {
    CHECK(fitting("json", R"({"type": ["null", "object", "array"]})").json_as_object);
    CHECK(fitting("jsonb", R"({"type": "object"})").json_as_object);
    CHECK_FALSE(fitting("json", R"({"type": ["null", "string"]})").json_as_object);
    CHECK_FALSE(fitting("text", R"({"type": ["null", "object"]})").json_as_object);
    CHECK(fitting("json[]", R"({"items": {"type": ["string", "object"]}})").json_as_object);
    CHECK(fitting("jsonb[]", R"({"items": {"$ref": "#/definitions/any"}})").json_as_object);
    CHECK_FALSE(fitting("jsonb[]", R"({"items": {"$ref": "#/definitions/text"}})").json_as_object);
    CHECK_FALSE(fitting("json[]", R"({"items": {"type": ["null", "string", "array"]}})").json_as_object);
  }
  SECTION("a setting is kept") {
    CHECK(
        options_for(type_of("json"), Json::parse(R"({"type": "string"})"), {}, kJsonAsObject).json_as_object);
  }
  SECTION("date") {
    CHECK(fitting("date", R"({"type": "string", "format": "date"})").plain_dates);
    CHECK(fitting("date[]", R"({"items": {"type": "string", "format": "date"}})").plain_dates);
    CHECK_FALSE(fitting("date", R"({"type": "string", "format": "date-time"})").plain_dates);
    CHECK_FALSE(fitting("timestamp", R"({"type": "string", "format": "date"})").plain_dates);
  }
  SECTION("bit") {
    CHECK(fitting("bit", R"({"type": ["null", "string"]})").bits_as_text);
    CHECK_FALSE(fitting("bit", R"({"type": ["null", "boolean"]})").bits_as_text);
    CHECK_FALSE(fitting("bit", R"({"type": ["string", "boolean"]})").bits_as_text);
  }
  SECTION("schemas of any other form") {
    const auto property =
        GENERATE(as<std::string>(), "{}", "null", "true", "[]", R"({"type": 1})", R"({"items": []})",
                 R"({"items": {"$ref": 1}})", R"({"items": {"$ref": "#/definitions/none"}})",
                 R"({"items": {"$ref": "other.json"}})");
    CAPTURE(property);
    const auto type = GENERATE(as<std::string>(), "json", "json[]", "date[]", "bit[]");
    const EncodingOptions options = fitting(type, property);
    CHECK_FALSE((options.json_as_object || options.plain_dates || options.bits_as_text));
  }
}
