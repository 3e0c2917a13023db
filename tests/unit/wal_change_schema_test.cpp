// SPDX-License-Identifier: Apache-2.0
#include "value_support.hpp"
#include "wal_records_support.hpp"

using namespace tap;
using namespace tap::sync;

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

TEST_CASE("with a tap_id, the schema has the columns that the catalog lacks") {
  config::Config config;
  config.log.tap_id = "t";
  CHECK(schema_text(plan(), config) ==
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
  CHECK_THROWS_AS(schema.append(schema.columns()[0], "one", out), value::InvalidValue);
  const value::Log log;
  schema.accept_untyped();
  out.clear();
  schema.append(schema.columns()[0], "one", out);
  out.push(',');
  schema.append(schema.columns()[0], "1", out);
  out.push(',');
  schema.append(schema.columns()[0], "two", out);
  CHECK(out.view() == R"("id":"one","id":1,"id":"two")");
  CHECK(
      log.text() ==
      "warning public.t.id: values that were written when the column had another type than integer are sent "
      "as text\n");
}
