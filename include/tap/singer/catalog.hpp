// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tap/base/json.hpp>

namespace tap::singer {

/// A column of a stream, as the catalog has it.
struct Column {
  std::string name;
  bool synced = true;        ///< by its inclusion and selection, see read_catalog()
  std::string sql_datatype;  ///< empty if the catalog does not say
};

/// A stream of the catalog. What the user edited there (keys, methods, schema) is taken as it stands.
struct Stream {
  /// Null if the catalog does not know it.
  [[nodiscard]] const Column* find_column(std::string_view name) const;
  [[nodiscard]] bool is_key(std::string_view column) const;
  /// The catalog has another type for the column than `type_name`, which is in the database now.
  [[nodiscard]] bool is_retyped(std::string_view column, std::string_view type_name) const;

  std::string id;    ///< tap_stream_id: its name in the state
  std::string name;  ///< its name in messages, before any schema prefix
  std::string table;
  std::string schema_name;
  std::string database;  ///< empty: the one that the config connects to
  bool selected = false;
  bool is_view = false;
  std::vector<std::string> key_properties;
  std::optional<std::string> replication_method;  ///< as the catalog has it: any text
  std::optional<std::string> replication_key;
  std::vector<Column> columns;  ///< in the order of the schema's properties
  Json schema;
};

/// Reads a catalog: ours, or one that any of the three Python taps made. A stream is selected by a true
/// `selected` in its own metadata. A column is synced if its inclusion is `automatic`, never if it is
/// `unsupported`, else unless `selected` is false. Throws Error (ExitCode::usage) that names `source` and the
/// place.
std::vector<Stream> read_catalog(const Json& document, const std::string& source);

/// The column that an entry of a stream's list of metadata is about: empty for the stream itself, nothing for
/// a breadcrumb that leads elsewhere.
std::optional<std::string_view> column_of(const Json& entry);

/// The metadata of a stream's entry in a catalog document, by breadcrumb: the stream's own if `column` is
/// empty. Null if there is none.
Json* find_metadata(Json& stream, std::string_view column);
/// The same, made if there is none.
Json& metadata(Json& stream, std::string_view column);

}  // namespace tap::singer
