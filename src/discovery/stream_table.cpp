// SPDX-License-Identifier: Apache-2.0
#include "stream_table.hpp"

#include <tap/base/log.hpp>
#include <tap/pg/quote.hpp>
#include <tap/singer/catalog.hpp>

namespace tap::discovery {

std::string table_of(Json& stream) {
  const Json* const own = singer::find_metadata(stream, "");
  const Json schema = own == nullptr ? Json() : own->value("schema-name", Json());
  const Json table = stream.value("table_name", Json());
  return schema.is_string() && table.is_string()
             ? pg::quote_qualified(schema.get_ref<const std::string&>(), table.get_ref<const std::string&>())
             : "";
}

std::string table_in_database(Json& stream) {
  const Json* const own = singer::find_metadata(stream, "");
  const Json database = own == nullptr ? Json() : own->value("database-name", Json());
  const std::string table = table_of(stream);
  return database.is_string() && !table.empty()
             ? pg::quote_identifier(database.get_ref<const std::string&>()) + "." + table
             : "";
}

void SharedIds::note(Json& stream) {
  const std::string name = table_in_database(stream);
  const std::string id = stream.at("tap_stream_id");
  if (name.find('-') == std::string::npos) {
    return;  // nothing is kept of most tables
  }
  const auto [other, is_new] = names_.emplace(id, name);
  if (!is_new) {
    log::warn(
        "{} and {} have the same tap_stream_id {}, so that they would share a bookmark; before you select "
        "one of them, change it in the catalog",
        other->second, name, id);
  }
}

}  // namespace tap::discovery
