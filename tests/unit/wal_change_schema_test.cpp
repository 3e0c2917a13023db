// SPDX-License-Identifier: Apache-2.0
#include "value_support.hpp"
#include "wal_records_support.hpp"

using namespace tap;
using namespace tap::sync;
using namespace std::string_literals;
using change::Field;

namespace {

const pg::Relation kTable =
    relation({column("id", "integer"), column("a", "text"), column("secret", "text"), column("new", "date")});

/// A plan whose catalog has the column secret, which is not selected, and a column that the table lacks.
StreamPlan plan() {
  StreamPlan plan = plan_of("t", {"id", "a", "gone"});
  plan.stream.columns.push_back({"secret", false, ""});
  plan.stream.schema["properties"]["secret"] = {{"type", "string"}};
  return plan;
}

constexpr Oid kComposite = 20003;
/// A table with columns of many types, with a composite type that has no binary encoder.
pg::Relation typed_table() {
  pg::Relation made;
  made.oid = 1000;
  made.types = value::type_rows();
  const std::vector<std::pair<std::string, Oid>> columns = {
      {"id", 23},    {"name", 25},     {"data", 17},        {"day", 1082},    {"at", 1184},
      {"flag", 16},  {"amount", 1700}, {"real", 701},       {"list", 100023}, {"doc", 3802},
      {"uid", 2950}, {"small", 20010}, {"pair", kComposite}};
  for (const auto& [name, type] : columns) {
    pg::TableColumn& column = made.columns.emplace_back();
    column.name = name;
    column.type = type;
    column.type_name = made.types.at(type).name;
  }
  return made;
}

ChangeSchema typed_schema(const config::Config& config = {}, const Strings& synced = {}) {
  Strings columns = synced;
  for (const pg::TableColumn& column : typed_table().columns) {
    if (synced.empty()) {
      columns.push_back(column.name);
    }
  }
  return {plan_of("t", columns), typed_table(), config};
}

ChangeColumn& column_of(ChangeSchema& schema, std::string_view name) {
  std::size_t hint = 0;
  ChangeColumn* const column = schema.find(name, hint);
  REQUIRE(column != nullptr);
  return *column;
}

Field field(std::string_view value, Field::Format format, Oid type = 0) {
  return {"", value, format, type};
}

std::string append(ChangeSchema& schema, std::string_view name, const Field& field) {
  Buffer out;
  schema.append(column_of(schema, name), field, out);
  return std::string(out.view());
}
std::string append_binary(ChangeSchema& schema, std::string_view name, std::string_view value) {
  return append(schema, name, field(value, Field::Format::binary, column_of(schema, name).type_oid));
}

/// The text of a key's binary value.
std::string key_text(const ChangeSchema& schema, ChangeColumn& column, std::string_view value) {
  return schema.key_text(column, field(value, Field::Format::binary, column.type_oid));
}
std::string key_text(ChangeSchema& schema, std::string_view name, std::string_view value) {
  return key_text(schema, column_of(schema, name), value);
}

std::string schema_text(const StreamPlan& plan, const config::Config& config) {
  return to_text(ChangeSchema(plan, kTable, config).record_schema(plan.stream.schema, config));
}

}  // namespace

TEST_CASE("a column is found by its name, wherever it is expected") {
  ChangeSchema schema(plan(), kTable, {});
  std::size_t hint = 0;
  CHECK(schema.find("id", hint) == &schema.columns()[0]);
  CHECK(hint == 1);
  CHECK(schema.find("new", hint) == &schema.columns()[3]);
  CHECK(hint == 4);
  CHECK(schema.find("id", hint) == &schema.columns()[0]);
  CHECK(schema.find("gone", hint) == nullptr);
  CHECK(schema.synced_count() == 2);
}

TEST_CASE("records have the synced columns that the table has, and when they were deleted") {
  CHECK(schema_text(plan(), {}) ==
        R"({"type":"object","properties":{"id":{"type":"integer"},"a":{"type":"string"},)"
        R"("_sdc_deleted_at":{"type":["null","string"],"format":"date-time"}}})");
}

TEST_CASE("the schema has _sdc_lsn if the config asks for it") {
  config::Config config;
  config.log.lsn_column = true;
  CHECK(schema_text(plan(), config) ==
        R"({"type":"object","properties":{"id":{"type":"integer"},"a":{"type":"string"},)"
        R"("_sdc_deleted_at":{"type":["null","string"],"format":"date-time"},)"
        R"("_sdc_lsn":{"type":["null","string"]}}})");
}

TEST_CASE("the dialect of singer-io keeps the columns that are not synced") {
  config::Config config;
  config.values.schema_dialect = value::EncodingOptions::Dialect::singer_io;
  CHECK(schema_text(plan(), config) ==
        R"({"type":"object","properties":{"id":{"type":"integer"},"a":{"type":"string"},)"
        R"("gone":{"type":"string"},"secret":{"type":"string"},)"
        R"("_sdc_deleted_at":{"type":["null","string"],"format":"date-time"}}})");
}

TEST_CASE("the schema can have the columns that the catalog lacks") {
  StreamPlan with_new = plan();
  with_new.adds_new_columns = true;
  CHECK(schema_text(with_new, {}) ==
        R"({"type":"object","properties":{"id":{"type":"integer"},"a":{"type":"string"},)"
        R"("new":{"type":["null","string"],"format":"date-time"},)"
        R"("_sdc_deleted_at":{"type":["null","string"],"format":"date-time"}}})");
}

TEST_CASE("a column of another type than in the catalog has the schema of its type now") {
  StreamPlan retyped = plan_of("t", {"id", "a"});
  retyped.stream.columns[1].sql_datatype = "integer";
  CHECK(schema_text(retyped, {}) ==
        R"({"type":"object","properties":{"id":{"type":"integer"},"a":{"type":["null","string"]},)"
        R"("_sdc_deleted_at":{"type":["null","string"],"format":"date-time"}}})");
}

TEST_CASE("a table without its key column is refused") {
  CHECK_THROWS_WITH(ChangeSchema(plan(), relation({column("a", "text")}), {}),
                    "key column id is no longer in the table: run discovery again");
}

TEST_CASE("a value that does not fit its column is refused until untyped values are accepted") {
  ChangeSchema schema(plan(), kTable, {});
  Buffer out;
  CHECK_THROWS_AS(schema.append(schema.columns()[0], {"", "one"}, out), value::InvalidValue);
  const value::Log log;
  schema.accept_untyped();
  out.clear();
  schema.append(schema.columns()[0], {"", "one"}, out);
  out.push(',');
  schema.append(schema.columns()[0], {"", "1"}, out);
  out.push(',');
  schema.append(schema.columns()[0], {"", "two"}, out);
  CHECK(out.view() == R"("id":"one","id":1,"id":"two")");
  CHECK(
      log.text() ==
      "warning public.t.id: values that were written when the column had another type than integer are sent "
      "as text\n");
}

TEST_CASE("a value is JSON of its type in each format") {
  ChangeSchema schema = typed_schema();
  using Format = Field::Format;
  CHECK(append(schema, "flag", field("true", Format::wal2json)) == R"("flag":true)");
  CHECK(append(schema, "flag", field("t", Format::text, 16)) == R"("flag":true)");
  CHECK(append_binary(schema, "flag", "\1") == R"("flag":true)");
  CHECK(append(schema, "data", field("01ff", Format::wal2json)) == R"("data":"\\x01ff")");
  CHECK(append(schema, "data", field("\\x01ff", Format::text, 17)) == R"("data":"\\x01ff")");
  CHECK(append_binary(schema, "data", "\x01\xff") == R"("data":"\\x01ff")");
  CHECK(append(schema, "pair", field("(1,x)", Format::text, kComposite)) == R"-("pair":"(1,x)")-");
  CHECK(append_binary(schema, "id", "\0\0\0\7"s) == R"("id":7)");
  CHECK(append_binary(schema, "small", "\0\0\0\7"s) == R"("small":7)");
  CHECK(append_binary(schema, "name", "") == R"("name":"")");
  CHECK(append_binary(schema, "day", "\0\0\0\0"s) == R"("day":"2000-01-01T00:00:00+00:00")");
}

TEST_CASE("NULL is null in each format, of every type") {
  ChangeSchema schema = typed_schema();
  for (const auto format : {Field::Format::wal2json, Field::Format::text, Field::Format::binary}) {
    CHECK(append(schema, "id", field({}, format, 23)) == R"("id":null)");
    CHECK(append(schema, "data", field({}, format, 17)) == R"("data":null)");
    CHECK(append(schema, "pair", field({}, format, kComposite)) == R"("pair":null)");
    CHECK(append(schema, "id", field({}, format, 25)) == R"("id":null)");
  }
}

TEST_CASE("a binary value of a type without a binary encoder must be read as text") {
  ChangeSchema schema = typed_schema();
  CHECK_THROWS_AS(append_binary(schema, "pair", "x"), TextFormatRequired);
  CHECK_THROWS_AS(key_text(schema, "pair", "x"), TextFormatRequired);
  schema.accept_untyped();
  CHECK_THROWS_AS(append_binary(schema, "pair", "x"), TextFormatRequired);
}

TEST_CASE("a binary value of another type is refused until untyped values are accepted, then read as text") {
  ChangeSchema schema = typed_schema();
  const Field text = field("1234", Field::Format::binary, 25);
  CHECK_THROWS_WITH(append(schema, "id", text),
                    "public.t.id: a change has a value of another type than int4");
  const Field unknown = field("1234", Field::Format::binary);
  CHECK_THROWS_AS(append(schema, "id", unknown), value::InvalidValue);
  schema.accept_untyped();
  CHECK_THROWS_AS(append(schema, "id", text), TextFormatRequired);
}

TEST_CASE("an invalid binary value is refused until untyped values are accepted, then read as text") {
  ChangeSchema schema = typed_schema();
  CHECK_THROWS_AS(append_binary(schema, "id", "\7"), value::InvalidValue);
  CHECK_THROWS_AS(key_text(schema, "id", "\7"), value::InvalidValue);
  schema.accept_untyped();
  CHECK_THROWS_AS(append_binary(schema, "id", "\7"), TextFormatRequired);
  CHECK_THROWS_AS(key_text(schema, "id", "\7"), TextFormatRequired);
}

TEST_CASE("the text of a key is the text that the input function of its type reads") {
  using Format = Field::Format;
  ChangeSchema schema = typed_schema();
  CHECK(schema.key_text(column_of(schema, "id"), field("7", Format::wal2json)) == "7");
  CHECK(schema.key_text(column_of(schema, "id"), field("7", Format::text, 23)) == "7");
  CHECK(schema.key_text(column_of(schema, "data"), field("01ff", Format::wal2json)) == "\\x01ff");
  CHECK(schema.key_text(column_of(schema, "data"), field("\\x01ff", Format::text, 17)) == "\\x01ff");

  CHECK(key_text(schema, "id", "\0\0\0\7"s) == "7");
  CHECK(key_text(schema, "small", "\xFF\xFF\xFF\xFF") == "-1");
  CHECK(key_text(schema, "name", "a \"q\" \\ \n é") == "a \"q\" \\ \n é");
  CHECK(key_text(schema, "name", "") == "");
  CHECK(key_text(schema, "data", "\x01\xff") == "\\x01ff");
  CHECK(key_text(schema, "day", "\0\0\0\7"s) == "2000-01-08T00:00:00+00:00");
  CHECK(key_text(schema, "at", value::int64(1)) == "2000-01-01T00:00:00.000001+00:00");
  CHECK(key_text(schema, "flag", "\1") == "true");
  CHECK(key_text(schema, "real", value::int64(0x3FF8000000000000)) == "1.5");
  CHECK(key_text(schema, "uid", "0123456789abcdef") == "30313233-3435-3637-3839-616263646566");
}

TEST_CASE("the text of a key does not depend on the config") {
  config::Config config;
  config.values.non_finite_numbers = value::EncodingOptions::NonFinite::null;
  config.values.out_of_range_dates = value::EncodingOptions::OutOfRange::clamp;
  config.values.numeric_as = value::EncodingOptions::NumericAs::decimal_string;
  ChangeSchema schema = typed_schema(config);
  CHECK(key_text(schema, "day", "\x7F\xFF\xFF\xFF") == "infinity");
  CHECK(key_text(schema, "at", value::int64(-63'082'281'600'000'001)) == "0001-12-31 23:59:59.999999+00 BC");
  CHECK(key_text(schema, "real", value::int64(0x7FF0000000000000)) == "Infinity");
  CHECK(key_text(schema, "amount", "\0\0\0\0\xC0\0\0\0"s) == "NaN");
  CHECK(key_text(schema, "amount", "\0\1\0\0\0\0\0\2\0\5"s) == "5.00");
}

TEST_CASE("a binary key must be a scalar of the column's type, else it is read as text") {
  ChangeSchema schema = typed_schema();
  CHECK_THROWS_AS(key_text(schema, "list", std::string(12, '\0')), TextFormatRequired);
  CHECK_THROWS_AS(key_text(schema, "doc", "\1{}"), TextFormatRequired);
  CHECK_THROWS_AS(schema.key_text(column_of(schema, "id"), field("1234", Field::Format::binary, 25)),
                  TextFormatRequired);
}

TEST_CASE("values are read in binary format if all synced columns and keys have a binary encoder") {
  CHECK(typed_schema({}, {"id", "name", "list", "doc"}).reads_binary({"id", "name"}));
  CHECK(typed_schema({}, {"id"}).reads_binary({}));
  CHECK_FALSE(typed_schema({}, {"id", "pair"}).reads_binary({"id"}));
  CHECK_FALSE(typed_schema({}, {"id"}).reads_binary({"id", "pair"}));
  CHECK_FALSE(typed_schema({}, {"id", "doc"}).reads_binary({"id", "doc"}));  // a document is not a scalar
  CHECK_FALSE(typed_schema().reads_binary({"id"}));
}
