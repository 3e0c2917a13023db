// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <spdlog/fmt/fmt.h>

#include <tap/base/error.hpp>
#include <tap/base/log.hpp>
#include <tap/discovery/discovery.hpp>
#include <tap/pg/catalog/catalog_session.hpp>
#include <tap/pg/connection.hpp>
#include <tap/value/schema.hpp>
#include <tap/value/type.hpp>

namespace tap::discovery {

namespace {

using value::EncodingOptions;

/// The key's columns, in key order.
std::vector<std::string> key_columns(const pg::Table& table) {
  std::vector<const pg::TableColumn*> keys;
  for (const pg::TableColumn& column : table.columns) {
    if (column.key_position > 0) {
      keys.push_back(&column);
    }
  }
  std::sort(keys.begin(), keys.end(),
            [](const auto* a, const auto* b) { return a->key_position < b->key_position; });
  std::vector<std::string> names;
  names.reserve(keys.size());
  for (const pg::TableColumn* column : keys) {
    names.push_back(column->name);
  }
  return names;
}

/// Adds members whose keys are distinct: it needs no look-ups, which are slow for wide tables, and allocates
/// once.
template <class... Members>
void add_members(Json& object, Members&&... members) {
  auto& all = object.get_ref<Json::object_t&>();
  all.reserve(all.size() + sizeof...(members));
  (all.push_back(Json::object_t::value_type(std::forward<Members>(members))), ...);
}

Json metadata_entry(Json breadcrumb, Json metadata) {
  Json entry = Json::object();
  add_members(entry, std::pair("breadcrumb", std::move(breadcrumb)),
              std::pair("metadata", std::move(metadata)));
  return entry;
}

Json table_metadata(const std::string& database, const pg::Table& table) {
  Json about = Json::object();
  about["table-key-properties"] = key_columns(table);
  about["schema-name"] = table.schema;
  about["database-name"] = database;
  about["row-count"] = table.row_count;
  about["is-view"] =
      table.kind == pg::RelationKind::view || table.kind == pg::RelationKind::materialized_view;
  return metadata_entry(Json::array(), std::move(about));
}

Json column_metadata(const pg::TableColumn& column, const value::Type& type, const EncodingOptions& options) {
  const bool unsupported =
      value::is_other(type) && options.other_types == EncodingOptions::OtherTypes::unsupported;
  const bool long_bit = column.type == oids::kBit && column.modifier > 1;
  Json about = Json::object();
  add_members(
      about, std::pair("sql-datatype", long_bit ? fmt::format("bit({})", column.modifier) : column.type_name),
      std::pair("inclusion", unsupported               ? "unsupported"
                             : column.key_position > 0 ? "automatic"
                                                       : "available"),
      std::pair("selected-by-default", !unsupported));
  Json breadcrumb = Json::array_t();
  breadcrumb.get_ref<Json::array_t&>().reserve(2);
  breadcrumb.push_back("properties");
  breadcrumb.push_back(column.name);
  return metadata_entry(std::move(breadcrumb), std::move(about));
}

/// Calls `found` for each table of one database and returns the number of tables.
std::size_t discover_database(const config::Config& config, pg::CatalogSession& session,
                              const std::string& database,
                              const std::function<void(DiscoveredStream&)>& found) {
  const TypeRows types = pg::column_types(session);
  std::size_t tables = 0;
  pg::for_each_table(session, config.filter_schemas, types, [&](const pg::Table& table) {
    DiscoveredStream stream{catalog_entry(database, table, types, config.values), table.kind};
    found(stream);
    ++tables;
  });
  log::info("discovered {} tables in database {}", tables, database);
  return tables;
}

}  // namespace

Json catalog_entry(const std::string& database, const pg::Table& table, const TypeRows& types,
                   const EncodingOptions& options) {
  Json metadata = Json::array();
  metadata.push_back(table_metadata(database, table));
  Json properties = Json::object();
  metadata.get_ref<Json::array_t&>().reserve(table.columns.size() + 1);
  properties.get_ref<Json::object_t&>().reserve(table.columns.size());
  const bool definitions = options.schema_dialect == EncodingOptions::Dialect::singer_io;
  Json defined = definitions ? value::fixed_definitions() : Json();
  for (const pg::TableColumn& column : table.columns) {
    const value::Type type = value::resolve(types, column.type, column.modifier);
    metadata.push_back(column_metadata(column, type, options));
    properties.get_ref<Json::object_t&>().push_back(
        {column.name, value::json_schema(type, column.key_position > 0, options)});
    if (definitions) {
      value::add_definitions(defined, type);
    }
  }

  Json schema = Json::object();
  schema["type"] = "object";
  schema["properties"] = std::move(properties);
  if (definitions) {
    schema["definitions"] = std::move(defined);
  }
  Json entry = Json::object();
  entry["table_name"] = table.name;
  entry["stream"] = table.name;
  entry["metadata"] = std::move(metadata);
  entry["tap_stream_id"] = fmt::format("{}-{}-{}", database, table.schema, table.name);
  entry["schema"] = std::move(schema);
  return entry;
}

Problem nothing_to_discover(const config::Config& config) {
  return {"0 tables were discovered across the entire cluster",
          fmt::format("grant {} USAGE on a schema and SELECT on its tables, or widen filter_dbs and "
                      "filter_schemas",
                      config.server.user().empty() ? "this role" : config.server.user())};
}

namespace {

/// Logs the server and how the connection is protected, which libpqxx does not report.
void log_connection(const config::Config& config) {
  try {
    const pg::Connection connection(config.server, config.server.database());
    log::info("connected to {}: {}", connection.description(), connection.protection());
  } catch (const Error& error) {
    log::debug("no second connection: {}", error.what());
  }
}

}  // namespace

void discover(const config::Config& config, const std::function<void(DiscoveredStream&)>& found) {
  const std::string home = config.server.database();
  pg::CatalogSession session(config.server, home);
  log_connection(config);
  const std::vector<std::string> databases = pg::databases(session, config.filter_dbs);
  for (const std::string& wanted : config.filter_dbs) {
    if (std::find(databases.begin(), databases.end(), wanted) == databases.end()) {
      log::warn("database {} of filter_dbs does not exist or does not allow connections", wanted);
    }
  }
  std::size_t tables = 0;
  for (const std::string& database : databases) {
    if (database == home) {
      tables += discover_database(config, session, database, found);
      continue;
    }
    try {
      pg::CatalogSession other(config.server, database);
      tables += discover_database(config, other, database, found);
    } catch (const Error& error) {
      if (error.code() != ExitCode::cannot_connect) {
        throw;
      }
      log::warn("database {} is skipped: {}", database, error.what());
    }
  }
  if (tables == 0) {
    throw Error(ExitCode::run_failed, nothing_to_discover(config));
  }
}

}  // namespace tap::discovery
