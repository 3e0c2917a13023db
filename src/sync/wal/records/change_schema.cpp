// SPDX-License-Identifier: Apache-2.0
#include "change_schema.hpp"

#include <algorithm>

#include <spdlog/fmt/fmt.h>

#include <tap/base/log.hpp>
#include <tap/value/schema.hpp>

namespace tap::sync {

namespace {

Json nullable_text() {
  Json type = Json::array({"null", "string"});
  return {{"type", std::move(type)}};
}

}  // namespace

ChangeSchema::ChangeSchema(const StreamPlan& plan, const pg::Relation& relation, const config::Config& config)
    : table_(fmt::format("{}.{}", plan.stream.schema_name, plan.stream.table)) {
  const singer::Stream& stream = plan.stream;
  const bool adds_new_columns = !config.log.tap_id.empty();
  for (const pg::TableColumn& column : relation.columns) {
    const value::Type type = value::resolve(relation.types, column.type, column.modifier);
    const bool is_new = stream.find_column(column.name) == nullptr;
    const bool is_synced =
        (is_new && adds_new_columns) || std::ranges::find(plan.columns, column.name) != plan.columns.end();
    const bool is_retyped = stream.is_retyped(column.name, column.type_name);
    const bool is_key = stream.is_key(column.name);
    columns_.push_back(
        {.name = column.name,
         .json_key = to_text(Json(column.name)) + ":",
         .type_name = column.type_name,
         .is_synced = is_synced,
         .is_in_wal = !column.is_virtual,
         .is_new = is_new,
         .is_bytea = column.type == oids::kBytea,
         .has_untyped_values = false,
         .encode = value::Encoder(type, value::Format::text, config.values,
                                  fmt::format("{}.{}", table_, column.name)),
         .schema = is_new || is_retyped ? value::json_schema(type, is_key, config.values) : Json()});
    synced_count_ += is_synced ? 1 : 0;
  }
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    by_name_.emplace(columns_[i].name, i);
  }
  for (const std::string& key : stream.key_properties) {
    if (!contains(key)) {
      throw StreamError(
          Problem{fmt::format("key column {} is no longer in the table", key), "run discovery again"});
    }
  }
}

ChangeColumn* ChangeSchema::find(std::string_view name, std::size_t& hint) {
  if (hint >= columns_.size() || columns_[hint].name != name) {
    const auto found = by_name_.find(name);
    if (found == by_name_.end()) {
      return nullptr;
    }
    hint = found->second;
  }
  return &columns_[hint++];
}

void ChangeSchema::append(ChangeColumn& column, std::string_view value, Buffer& out) {
  if (column.is_bytea && value.data() != nullptr) {
    scratch_.clear();
    scratch_.append("\\x");
    scratch_.append(value);
    value = scratch_.view();
  }
  append(column, value, out, accepts_untyped_);
  scratch_.clear_large();
}

void ChangeSchema::append_from_server(ChangeColumn& column, std::string_view value, Buffer& out) {
  append(column, value, out, true);
}

void ChangeSchema::append(ChangeColumn& column, std::string_view value, Buffer& out, bool accepts_untyped) {
  out.append(column.json_key);
  if (value.data() == nullptr) {
    out.append("null");
    return;
  }
  const std::size_t start = out.size();
  try {
    column.encode(value, out);
  } catch (const value::InvalidValue&) {
    if (!accepts_untyped) {
      throw;
    }
    if (!column.has_untyped_values) {
      column.has_untyped_values = true;
      log::warn("{}.{}: values that were written when the column had another type than {} are sent as text",
                table_, column.name, column.type_name);
    }
    out.truncate(start);
    append_json_string(out, value);
  }
}

Json ChangeSchema::record_schema(const Json& catalog, const config::Config& config) const {
  const bool keeps_all = config.values.schema_dialect == value::EncodingOptions::Dialect::singer_io;
  Json properties = Json::object();
  for (const auto& [name, property] : catalog["properties"].items()) {
    const auto column = by_name_.find(name);
    const bool is_synced = column != by_name_.end() && columns_[column->second].is_synced;
    if (is_synced || keeps_all) {
      const bool is_retyped = column != by_name_.end() && !columns_[column->second].schema.is_null();
      properties[name] = is_retyped ? columns_[column->second].schema : property;
    }
  }
  for (const ChangeColumn& column : columns_) {
    if (column.is_new && column.is_synced) {
      properties[column.name] = column.schema;
    }
  }
  Json deleted_at = nullable_text();
  deleted_at["format"] = "date-time";
  properties["_sdc_deleted_at"] = std::move(deleted_at);
  if (config.log.lsn_column) {
    properties["_sdc_lsn"] = nullable_text();
  }
  Json schema = catalog;
  schema["properties"] = std::move(properties);
  return schema;
}

}  // namespace tap::sync
