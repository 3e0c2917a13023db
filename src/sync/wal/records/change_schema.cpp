// SPDX-License-Identifier: Apache-2.0
#include "change_schema.hpp"

#include <algorithm>

#include <spdlog/fmt/fmt.h>

#include <tap/base/log.hpp>
#include <tap/value/schema.hpp>

namespace tap::sync {

namespace {

using change::Field;

constexpr std::string_view kByteaPrefix = "\\x";

Json nullable_text() {
  Json type = Json::array({"null", "string"});
  return {{"type", std::move(type)}};
}

}  // namespace

ChangeSchema::ChangeSchema(const StreamPlan& plan, const pg::Relation& relation, const config::Config& config)
    : table_(fmt::format("{}.{}", plan.stream.schema_name, plan.stream.table)), options_(config.values) {
  const singer::Stream& stream = plan.stream;
  for (const pg::TableColumn& column : relation.columns) {
    const value::Type type = value::resolve(relation.types, column.type, column.modifier);
    const bool is_new = stream.find_column(column.name) == nullptr;
    const bool is_synced = (is_new && plan.adds_new_columns) ||
                           std::ranges::find(plan.columns, column.name) != plan.columns.end();
    const bool is_retyped = stream.is_retyped(column.name, column.type_name);
    const bool is_key = stream.is_key(column.name);
    const bool has_own_schema = is_new || is_retyped;
    const auto options =
        has_own_schema ? config.values
                       : value::options_for(type, stream.property(column.name), stream.schema, config.values);
    const std::string title = fmt::format("{}.{}", table_, column.name);
    std::optional<value::Encoder> binary;
    if (value::has_binary(type)) {
      binary.emplace(type, value::Format::binary, options, title);
    }
    columns_.push_back({.name = column.name,
                        .json_key = to_text(Json(column.name)) + ":",
                        .type_name = column.type_name,
                        .type_oid = column.type,
                        .type = type,
                        .is_synced = is_synced,
                        .is_in_wal = !column.is_virtual,
                        .is_new = is_new,
                        .is_bytea = column.type == oids::kBytea,
                        .has_untyped_values = false,
                        .encode = value::Encoder(type, value::Format::text, options, title),
                        .encode_binary = std::move(binary),
                        .schema = has_own_schema ? value::json_schema(type, is_key, config.values) : Json()});
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

void ChangeSchema::append(ChangeColumn& column, const Field& field, Buffer& out) {
  out.append(column.json_key);
  if (field.value.data() == nullptr) {
    out.append("null");
  } else if (field.format == Field::Format::binary) {
    append_binary(column, field, out);
  } else if (column.is_bytea && field.format == Field::Format::wal2json) {
    scratch_.clear();
    scratch_.append(kByteaPrefix);
    scratch_.append(field.value);
    append_text(column, scratch_.view(), out, accepts_untyped_);
    scratch_.clear_large();
  } else {
    append_text(column, field.value, out, accepts_untyped_);
  }
}

void ChangeSchema::append_from_server(ChangeColumn& column, std::string_view value, Buffer& out) {
  out.append(column.json_key);
  if (value.data() == nullptr) {
    out.append("null");
  } else {
    append_text(column, value, out, true);
  }
}

void ChangeSchema::append_binary(const ChangeColumn& column, const Field& field, Buffer& out) const {
  if (!column.encode_binary) {
    throw TextFormatRequired();
  }
  try {
    if (field.type != column.type_oid) {
      throw value::InvalidValue(fmt::format("{}.{}: a change has a value of another type than {}", table_,
                                            column.name, column.type_name));
    }
    (*column.encode_binary)(field.value, out);
  } catch (const value::InvalidValue&) {
    if (accepts_untyped_) {
      throw TextFormatRequired();
    }
    throw;
  }
}

void ChangeSchema::append_text(ChangeColumn& column, std::string_view value, Buffer& out,
                               bool accepts_untyped) {
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

std::string ChangeSchema::key_text(const ChangeColumn& column, const Field& field) const {
  if (field.format != Field::Format::binary) {
    const bool lacks_prefix = column.is_bytea && field.format == Field::Format::wal2json;
    return (lacks_prefix ? std::string(kByteaPrefix) : "") + std::string(field.value);
  }
  if (!column.encode_binary || !value::is_scalar(column.type) || field.type != column.type_oid) {
    throw TextFormatRequired();
  }
  value::EncodingOptions lossless = options_;
  lossless.non_finite_numbers = value::EncodingOptions::NonFinite::string;
  lossless.out_of_range_dates = value::EncodingOptions::OutOfRange::string;
  Buffer json;
  try {
    value::Encoder(column.type, value::Format::binary, lossless, column.name)(field.value, json);
  } catch (const value::InvalidValue&) {
    if (accepts_untyped_) {
      throw TextFormatRequired();
    }
    throw;
  }
  return json.view().starts_with('"') ? Json::parse(json.view()).get<std::string>()
                                      : std::string(json.view());
}

bool ChangeSchema::reads_binary(const std::vector<std::string>& keys) const {
  return std::ranges::all_of(columns_, [&](const ChangeColumn& column) {
    const bool is_key = std::ranges::find(keys, column.name) != keys.end();
    return is_key ? column.encode_binary && value::is_scalar(column.type)
                  : column.encode_binary || !column.is_synced;
  });
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
