// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <unordered_map>

#include <spdlog/fmt/fmt.h>

#include <tap/base/error.hpp>
#include <tap/base/file.hpp>
#include <tap/singer/catalog.hpp>

namespace tap::singer {

namespace {

[[noreturn]] void fail(const std::string& where, std::string_view what) {
  throw Error(ExitCode::usage, fmt::format("{}: {}", where, what));
}

/// One stream's metadata by column name, "" for its own.
using Metadata = std::unordered_map<std::string_view, const Json*>;

Metadata index_metadata(const Json& stream, const std::string& where) {
  Metadata metadata;
  const auto list = stream.find("metadata");
  if (list == stream.end()) {
    return metadata;
  }
  if (!list->is_array()) {
    fail(where, "\"metadata\" must be a list");
  }
  for (const Json& entry : *list) {
    if (!entry.is_object() || !entry.contains("metadata") || !entry["metadata"].is_object()) {
      fail(where, "each entry of \"metadata\" must be an object with \"breadcrumb\" and \"metadata\"");
    }
    if (const auto column = column_of(entry)) {
      metadata.emplace(*column, &entry["metadata"]);
    }
  }
  return metadata;
}

/// The first of the named members that is present and not null; the Python taps use different names.
const Json* first_of(const Json& object, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    if (const auto found = object.find(name); found != object.end() && !found->is_null()) {
      return &*found;
    }
  }
  return nullptr;
}

std::optional<std::string> text(const Json* value, const std::string& where, const char* name) {
  if (value == nullptr) {
    return std::nullopt;
  }
  if (!value->is_string()) {
    fail(where, fmt::format("\"{}\" must be text, but is {}", name, value->type_name()));
  }
  return value->get<std::string>();
}

std::vector<std::string> names(const Json* value, const std::string& where, const char* name) {
  std::vector<std::string> list;
  if (value == nullptr) {
    return list;
  }
  const bool good = value->is_array() && std::all_of(value->begin(), value->end(),
                                                     [](const Json& entry) { return entry.is_string(); });
  if (!good) {
    fail(where, fmt::format("\"{}\" must be a list of column names", name));
  }
  for (const Json& entry : *value) {
    list.push_back(entry.get<std::string>());
  }
  return list;
}

/// Python's truth value.
bool is_true(const Json& value) {
  if (is_number(value)) {
    return number_text(value) != "0";
  }
  return value.is_boolean() ? value.get<bool>()
                            : !value.empty() && value != "false" &&
                                  !(value.is_string() && value.get_ref<const std::string&>().empty());
}

Column read_column(const std::string& name, const Metadata& metadata, const std::string& where) {
  Column column;
  column.name = name;
  const auto found = metadata.find(name);
  if (found == metadata.end()) {
    return column;
  }
  const Json& about = *found->second;
  const std::string inclusion =
      text(first_of(about, {"inclusion"}), where, "inclusion").value_or("available");
  const Json* const selected = first_of(about, {"selected"});
  column.synced =
      inclusion == "automatic" || (inclusion != "unsupported" && (selected == nullptr || is_true(*selected)));
  column.sql_datatype = text(first_of(about, {"sql-datatype"}), where, "sql-datatype").value_or("");
  return column;
}

Stream read_stream(const Json& entry, const std::string& place) {
  if (!entry.is_object()) {
    fail(place, "must be an object");
  }
  Stream stream;
  const auto id = text(first_of(entry, {"tap_stream_id"}), place, "tap_stream_id");
  if (!id || id->empty()) {
    fail(place, "has no \"tap_stream_id\"");
  }
  stream.id = *id;
  const std::string where = fmt::format("{} ({})", place, stream.id);

  const Metadata metadata = index_metadata(entry, where);
  const Json none = Json::object();
  const auto own = metadata.find("");
  const Json& about = own == metadata.end() ? none : *own->second;

  if (const Json* const selected = first_of(about, {"selected"})) {
    stream.selected = is_true(*selected);
  }
  stream.name = text(first_of(entry, {"stream"}), where, "stream").value_or(stream.id);
  stream.table = text(first_of(entry, {"table_name"}), where, "table_name").value_or(stream.name);
  stream.schema_name = text(first_of(about, {"schema-name"}), where, "schema-name").value_or("public");
  stream.database = text(first_of(about, {"database-name"}), where, "database-name").value_or("");
  if (stream.id == stream.schema_name + "-" + stream.table) {
    stream.name = stream.id;  // the other two taps sync one database and use this id as the name
  }

  const Json* view = first_of(about, {"is-view"});
  view = view == nullptr ? first_of(entry, {"is_view"}) : view;
  stream.is_view = view != nullptr && is_true(*view);
  if (const Json* const rows = first_of(about, {"row-count"});
      rows != nullptr && rows->is_number_unsigned()) {
    stream.rows = rows->get<std::uint64_t>();
  }
  const char* const keys = stream.is_view ? "view-key-properties" : "table-key-properties";
  const Json* key_properties = first_of(about, {keys});
  key_properties = key_properties == nullptr ? first_of(entry, {"key_properties"}) : key_properties;
  stream.key_properties = names(key_properties, where, keys);

  const Json* method = first_of(about, {"replication-method", "forced-replication-method"});
  method = method == nullptr ? first_of(entry, {"replication_method"}) : method;
  stream.replication_method = text(method, where, "replication-method");
  const Json* key = first_of(about, {"replication-key"});
  key = key == nullptr ? first_of(entry, {"replication_key"}) : key;
  stream.replication_key = text(key, where, "replication-key");

  if (const Json* const conditions = first_of(about, {"where"})) {
    stream.where = read_conditions(*conditions);
    if (!stream.where) {
      fail(where, "\"where\" must be an SQL condition or a list of them");
    }
  }

  const Json* const schema = first_of(entry, {"schema"});
  if (schema == nullptr || !schema->is_object() || !schema->contains("properties") ||
      !(*schema)["properties"].is_object()) {
    fail(where, "has no \"schema\" with \"properties\"");
  }
  stream.schema = *schema;
  for (const auto& [name, property] : stream.schema["properties"].items()) {
    stream.columns.push_back(read_column(name, metadata, where));
  }
  return stream;
}

}  // namespace

std::optional<std::vector<std::string>> read_conditions(const Json& value) {
  std::vector<std::string> conditions;
  for (const Json& condition : value.is_array() ? value : Json::array({value})) {
    if (!condition.is_string()) {
      return std::nullopt;
    }
    if (condition.get_ref<const std::string&>().find_first_not_of(" \t\r\n") != std::string::npos) {
      conditions.push_back(condition.get<std::string>());
    }
  }
  return conditions;
}

const Column* Stream::find_column(std::string_view name) const {
  const auto column = std::ranges::find(columns, name, &Column::name);
  return column == columns.end() ? nullptr : &*column;
}

const Json& Stream::property(std::string_view column) const {
  static const Json null;
  const auto found = schema["properties"].find(column);
  return found == schema["properties"].end() ? null : *found;
}

bool Stream::is_key(std::string_view column) const {
  return std::ranges::find(key_properties, column) != key_properties.end();
}

bool Stream::is_retyped(std::string_view column, std::string_view type_name) const {
  const Column* const known = find_column(column);
  // for bit columns the catalog has the length as well
  return known != nullptr && !known->sql_datatype.empty() && known->sql_datatype != type_name &&
         !known->sql_datatype.starts_with("bit(");
}

std::optional<std::string_view> column_of(const Json& entry) {
  const auto breadcrumb = entry.find("breadcrumb");
  if (breadcrumb == entry.end() || !breadcrumb->is_array()) {
    return std::nullopt;
  }
  if (breadcrumb->empty()) {
    return "";
  }
  if (breadcrumb->size() != 2 || (*breadcrumb)[0] != "properties" || !(*breadcrumb)[1].is_string()) {
    return std::nullopt;
  }
  return (*breadcrumb)[1].get_ref<const std::string&>();
}

std::vector<Stream> read_catalog(const Json& document, const std::string& source) {
  if (!document.is_object() || !document.contains("streams") || !document["streams"].is_array()) {
    fail(source, "not a catalog; it must be an object with a \"streams\" list");
  }
  std::vector<Stream> streams;
  std::map<std::string, std::size_t> known;
  for (const Json& entry : document["streams"]) {
    const std::size_t position = streams.size();
    const std::string place = fmt::format("{}: streams[{}]", source, position);
    const Stream& stream = streams.emplace_back(read_stream(entry, place));
    const auto [other, is_new] = known.emplace(stream.id, position);
    if (!is_new && (stream.selected || streams[other->second].selected)) {
      fail(place,
           fmt::format("duplicate tap_stream_id \"{}\", which streams[{}] has, too, so that they would share "
                       "a bookmark; change it in one of them",
                       stream.id, other->second));
    }
    if (stream.selected) {
      other->second = position;
    }
  }
  return streams;
}

Catalog load_catalog(const std::string& path) {
  const Json document = parse_json(read_file(path, kMaxCatalogSize), path);
  return {read_catalog(document, path), document.contains(kPartKey)};
}

Json load_catalog_document(const std::string& path) {
  Json document = parse_json(read_file(path, kMaxCatalogSize), path);
  read_catalog(document, path);
  return document;
}

Json* find_metadata(Json& stream, std::string_view column) {
  const auto list = stream.find("metadata");
  if (list == stream.end() || !list->is_array()) {
    return nullptr;
  }
  const auto entry = std::find_if(list->begin(), list->end(), [&](const Json& candidate) {
    return candidate.is_object() && candidate.contains("metadata") && column_of(candidate) == column;
  });
  return entry == list->end() ? nullptr : &(*entry)["metadata"];
}

Json& metadata(Json& stream, std::string_view column) {
  if (Json* const found = find_metadata(stream, column)) {
    return *found;
  }
  Json breadcrumb = Json::array();
  if (!column.empty()) {
    breadcrumb = {"properties", std::string(column)};
  }
  Json entry;
  entry["breadcrumb"] = std::move(breadcrumb);
  entry["metadata"] = Json::object();
  Json& list = stream["metadata"];
  list.push_back(std::move(entry));
  return list.back()["metadata"];
}

}  // namespace tap::singer
