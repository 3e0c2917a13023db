// SPDX-License-Identifier: Apache-2.0
// Encodes values of every type from a live server in both formats: the results must be the same valid JSON,
// and conform to the JSON schema. Requires a superuser login to a server with hstore and citext, given by the
// PG* variables. Set TAP_SEED to repeat a run's random values.
#include <cstdlib>
#include <iostream>

#include <spdlog/fmt/fmt.h>

#include <tap/base/error.hpp>
#include <tap/base/log.hpp>
#include <tap/value/encoder.hpp>
#include <tap/value/schema.hpp>

#include "catch.hpp"
#include "samples.hpp"

using namespace tap;
using namespace tap::test;
using value::Encoder;
using value::EncodingOptions;
using value::Format;

namespace {

constexpr int kRandomValues = 300;

/// JSON whose numbers have a wider range than double.
using WideJson =
    nlohmann::basic_json<std::map, std::vector, std::string, bool, std::int64_t, std::uint64_t, long double>;

const std::vector<EncodingOptions> kOptions = {
    {},
    {.non_finite_numbers = EncodingOptions::NonFinite::string,
     .out_of_range_dates = EncodingOptions::OutOfRange::null,
     .numeric_as = EncodingOptions::NumericAs::decimal_string},
    {.non_finite_numbers = EncodingOptions::NonFinite::string,
     .out_of_range_dates = EncodingOptions::OutOfRange::string,
     .json_as_object = true},
    {.out_of_range_dates = EncodingOptions::OutOfRange::error},
    {.schema_dialect = EncodingOptions::Dialect::singer_io},
};

/// The seed of this run, printed once.
std::uint64_t seed() {
  static const std::uint64_t seed = [] {
    const char* given = std::getenv("TAP_SEED");
    const std::uint64_t chosen =
        given == nullptr ? std::random_device{}() : std::strtoull(given, nullptr, 10);
    std::cout << "TAP_SEED=" << chosen << std::endl;
    return chosen;
  }();
  return seed;
}

TypeRows read_types(Database& database) {
  const bool has_multiranges = database.query("SHOW server_version_num").number(0, 0) >= 140000;
  const Answer rows = database.query(
      "SELECT t.oid, typname, typtype, typcategory, typbasetype, typtypmod, typelem, typdelim,"
      " typinput = 'array_in'::regproc, current_setting('server_version_num'),"
      " coalesce(rngsubtype, 0) FROM pg_type t LEFT JOIN pg_range ON t.oid = rngtypid" +
      std::string(has_multiranges ? " OR t.oid = rngmultitypid" : ""));
  TypeRows types;
  for (int row = 0; row < rows.size(); ++row) {
    const auto oid = [&](int column) { return static_cast<Oid>(std::stoul(rows.text(row, column))); };
    TypeRow& type = types[oid(0)];
    type.name = rows.text(row, 1);
    type.kind = rows.text(row, 2)[0];
    type.category = rows.text(row, 3)[0];
    type.base = oid(4);
    type.modifier = rows.number(row, 5);
    type.element = oid(6);
    type.delimiter = rows.text(row, 7)[0];
    type.is_array = rows.text(row, 8) == "t";
    type.server_version = rows.number(row, 9);
    type.subtype = oid(10);
  }
  return types;
}

/// Returns the JSON of a value, or the error text.
std::string outcome(const Encoder& encode, std::string_view value) {
  Buffer out;
  try {
    encode(value, out);
  } catch (const StreamError& error) {
    return error.what();
  }
  return std::string(out.view());
}

std::string type_name(const WideJson& value) {
  return value.is_number_integer() ? "integer" : value.is_number() ? "number" : value.type_name();
}

/// True if the value conforms to the schema, which may refer to `definitions`.
bool conforms(const Json& schema, const Json& definitions, const WideJson& value) {
  if (schema.contains("$ref")) {
    const auto reference = schema["$ref"].get<std::string>();
    return conforms(definitions[reference.substr(reference.rfind('/') + 1)], definitions, value);
  }
  if (!schema.contains("type")) {
    return true;
  }
  const auto has = [&](const std::string& type) {
    return std::ranges::find(schema["type"], Json(type)) != schema["type"].end();
  };
  // The portable schema allows nested arrays without describing their elements.
  const auto item_conforms = [&](const WideJson& item) {
    return item.is_array() || conforms(schema["items"], definitions, item);
  };
  return (has(type_name(value)) || (value.is_number() && has("number"))) &&
         (!value.is_array() || !schema.contains("items") || std::ranges::all_of(value, item_conforms));
}

/// Checks all values of table `sample`, column v.
void check_values(Database& database, const TypeRows& types) {
  const Answer column = database.query(
      "SELECT atttypid, atttypmod FROM pg_attribute"
      " WHERE attrelid = 'pg_temp.sample'::regclass AND attname = 'v'");
  const value::Type type =
      value::resolve(types, static_cast<Oid>(std::stoul(column.text(0, 0))), column.number(0, 1));
  const Answer texts = database.query("SELECT v, pg_catalog.format('%s', v) FROM pg_temp.sample ORDER BY i");
  // Types without a binary encoder may lack a send function.
  const Answer binaries = database.query(
      has_binary(type) ? "SELECT v FROM pg_temp.sample ORDER BY i" : "SELECT 1 WHERE false", true);
  for (const EncodingOptions& options : kOptions) {
    const Json schema = json_schema(type, false, options);
    Json definitions = value::fixed_definitions();
    add_definitions(definitions, type);
    const Encoder from_text(type, Format::text, options, "t.c");
    for (int row = 0; row < texts.size(); ++row) {
      const std::string_view text = texts.field(row, 0).value();
      CAPTURE(text);
      CHECK(text == texts.field(row, 1));
      const std::string json = outcome(from_text, text);
      CAPTURE(json);
      if (has_binary(type)) {
        const Encoder from_binary(type, Format::binary, options, "t.c");
        CHECK(outcome(from_binary, binaries.field(row, 0).value()) == json);
      }
      if (json.starts_with("t.c: ")) {
        continue;
      }
      const WideJson parsed = WideJson::parse(json, nullptr, false);
      CHECK(!parsed.is_discarded());
      CHECK(std::ranges::none_of(json, [](char c) { return static_cast<unsigned char>(c) < ' '; }));
      CHECK(conforms(schema, definitions, parsed));
    }
  }
}

void make_table(Database& database, const std::string& type) {
  database.query("DROP TABLE IF EXISTS pg_temp.sample");
  database.query("CREATE TEMP TABLE sample (i serial, v " + type + ")");
}

void insert(Database& database, const std::string& type, const std::vector<std::string>& values) {
  std::string sql = "INSERT INTO pg_temp.sample (v) VALUES ";
  for (const std::string& value : values) {
    sql += fmt::format("(({})::{}),", value, type);
  }
  sql.pop_back();
  database.query(sql);
}

/// Replaces the values in table `sample` by arrays of them: of one, two and three dimensions, with NULLs,
/// with bounds, and empty.
void make_arrays(Database& database, const std::string& type) {
  database.query("ALTER TABLE pg_temp.sample RENAME TO element");
  make_table(database, type + "[]");
  database.query("INSERT INTO pg_temp.sample (v) SELECT expression::" + type + R"sql([] FROM
      (SELECT array_agg(v ORDER BY i) AS list, count(*) AS size FROM pg_temp.element) AS elements,
      LATERAL (VALUES (list::text), ('{}'), (array_append(list, NULL)::text), (array_prepend(NULL, list)::text),
                      (ARRAY[list, list]::text), (ARRAY[ARRAY[list], ARRAY[list]]::text),
                      ('[-3:' || size - 4 || ']=' || list::text)) AS arrays (expression))sql");
  database.query("DROP TABLE pg_temp.element");
}

}  // namespace

TEST_CASE("both formats give the same JSON, which conforms to its schema") {
  log::set_level(log::Level::error);  // hides the warnings about hundreds of changed dates
  Random random(seed());
  Database database;
  const int version = database.query("SHOW server_version_num").number(0, 0);
  const bool has_arrays_of_domains = version >= 110000;
  REQUIRE(database.attempt(kMakeTypes).error() == "");
  if (has_arrays_of_domains) {
    REQUIRE(database.attempt(kMakeTypesSince11).error() == "");
  }
  const TypeRows types = read_types(database);

  SECTION("each type, and arrays of it") {
    for (const Samples& sample : samples(database)) {
      CAPTURE(sample.type, seed());
      if (version < sample.since) {
        continue;
      }
      std::vector<std::string> values = sample.edges;
      for (int i = 0; sample.random && i < kRandomValues; ++i) {
        values.push_back(sample.random(random));
      }
      make_table(database, sample.type);
      insert(database, sample.type, values);
      check_values(database, types);
      if (database.attempt("SELECT NULL::" + sample.type + "[]").succeeded()) {
        make_arrays(database, sample.type);
        check_values(database, types);
      } else {
        CHECK(!has_arrays_of_domains);
      }
    }
  }

  SECTION("infinite numerics, where the server has them") {
    make_table(database, "numeric");
    if (database.attempt("INSERT INTO pg_temp.sample (v) VALUES ('Infinity'), ('-Infinity')").succeeded()) {
      check_values(database, types);
    }
  }

  SECTION("the longest intervals, and infinite ones where the server has them") {
    make_table(database, "interval");
    for (const std::string literal :
         {"178956970 years 7 mons 2147483647 days 2562047788:00:54.775807",
          "-178956970 years -8 mons -2147483648 days -2562047788:00:54.775808", "infinity", "-infinity"}) {
      database.attempt("INSERT INTO pg_temp.sample (v) VALUES ('" + literal + "')");
    }
    check_values(database, types);
  }

  SECTION("numerics of negative scale, where the server has them") {
    if (database.attempt("CREATE TEMP TABLE sample (i serial, v numeric(3,-2))").succeeded()) {
      insert(database, "numeric", {"12345", "0", "-99900"});
      check_values(database, types);
    }
  }

  SECTION("domains over arrays, and arrays of them") {
    const auto [type, value] = GENERATE(table<std::string, std::string>({
        {"value_test.intarr", R"('{1,NULL,3}')"},
        {"value_test.intarr", R"('[0:1][2:2]={{1},{2}}')"},
        {"value_test.intarr[]", R"('{"{1,2}",NULL,"{}","[5:5]={7}"}')"},
        {"value_test.intarr[]", R"('{{"{1,2}"},{"{{3},{4}}"}}')"},
        {"value_test.pricearr[]", R"('{"{1.1,NaN}",NULL}')"},
        {"value_test.boxarr", R"('{(1,2),(3,4);(5,6),(7,8)}')"},
        {"value_test.boxarr[]", R"('{"{(1,2),(3,4);(5,6),(7,8)}"}')"},
    }));
    CAPTURE(type, value);
    const bool has_array_of_domain = type.ends_with("[]") || type == "value_test.pricearr";
    if (has_arrays_of_domains || !has_array_of_domain) {
      make_table(database, type);
      insert(database, type, {value});
      check_values(database, types);
    }
  }

  SECTION("all types that come with the server") {
    const Answer names = database.query(R"sql(
SELECT format('pg_catalog.%I', typname), typarray <> 0 AND typname NOT IN ('int2vector', 'oidvector')
  FROM pg_type
 WHERE typnamespace = (SELECT oid FROM pg_namespace WHERE nspname = 'pg_catalog')
   AND typtype IN ('b', 'r', 'm')
   AND typinput <> 'array_in'::regproc
   AND typname <> 'bit' -- of any length, as only an expression can be: its schema says boolean
)sql");
    for (int row = 0; row < names.size(); ++row) {
      const std::string type = names.text(row, 0);
      CAPTURE(type);
      make_table(database, type);
      int accepted = 0;
      std::string refusal;
      for (const std::string& literal : kAnyLiterals) {
        if (type == "pg_catalog.json" && literal == "-") {
          continue;  // PostgreSQL 9.3 accepts it, although it is not JSON
        }
        const Answer answer =
            database.attempt("INSERT INTO pg_temp.sample (v) VALUES (" + database.quote(literal) + ")");
        accepted += answer.succeeded() ? 1 : 0;
        refusal = answer.sqlstate();
      }
      // Some types accept no input: "cannot accept a value of type pg_node_tree".
      CAPTURE(refusal);
      CHECK((accepted > 0 || refusal == "0A000"));
      check_values(database, types);
      if (accepted > 0 && names.text(row, 1) == "t") {
        make_arrays(database, type);
        check_values(database, types);
      }
    }
  }
}
