// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tap/base/json.hpp>

namespace tap::singer {

/// A column of a stream in the catalog.
struct Column {
  std::string name;
  bool synced = true;        ///< by its inclusion and selection, see read_catalog()
  std::string sql_datatype;  ///< empty if absent from the catalog
};

/// A stream of the catalog, with the user's edits (keys, methods, schema) unchanged.
struct Stream {
  /// Null if the catalog does not know it.
  [[nodiscard]] const Column* find_column(std::string_view name) const;
  /// The JSON schema of a column, null if the catalog does not know it.
  [[nodiscard]] const Json& property(std::string_view column) const;
  [[nodiscard]] bool is_key(std::string_view column) const;
  /// True if the column's type in the catalog differs from `type_name`, its type in the database.
  [[nodiscard]] bool is_retyped(std::string_view column, std::string_view type_name) const;

  std::string id;    ///< tap_stream_id: its name in the state
  std::string name;  ///< its name in messages, before any schema prefix
  std::string table;
  std::string schema_name;
  std::string database;  ///< empty: the one that the config connects to
  bool selected = false;
  bool is_view = false;
  std::uint64_t rows = 0;  ///< estimate of `row-count`; 0 if it is unknown
  std::vector<std::string> key_properties;
  std::optional<std::string> replication_method;  ///< as the catalog has it: any text
  std::optional<std::string> replication_key;
  /// SQL conditions for its rows; nothing if the metadata has no `where`.
  std::optional<std::vector<std::string>> where;
  std::vector<Column> columns;  ///< in the order of the schema's properties
  Json schema;
};

/// The SQL conditions of a `where`, which is text or a list of texts, without those that are blank. Nothing
/// if it is something else.
std::optional<std::vector<std::string>> read_conditions(const Json& value);

/// Reads a catalog of this tap or of one of the three Python taps. A stream is selected by a true
/// `selected` in its own metadata. A column is synced if its inclusion is `automatic`, never if it is
/// `unsupported`, else unless `selected` is false. Two streams may have the same id unless one is selected.
/// Throws Error (ExitCode::usage) that names `source` and the place.
std::vector<Stream> read_catalog(const Json& document, const std::string& source);
/// The key of a catalog document that holds only a part of the streams, see tap-postgres split.
inline constexpr const char* kPartKey = "part";

struct Catalog {
  std::vector<Stream> streams;
  bool is_part = false;  ///< other catalogs may have other streams
};
/// Reads the catalog file at `path`. Throws Error (ExitCode::usage).
Catalog load_catalog(const std::string& path);
/// Reads the catalog file at `path` and validates it as read_catalog() does, but returns the whole document.
/// Throws Error (ExitCode::usage).
Json load_catalog_document(const std::string& path);

/// The column of an entry in a stream's `metadata` list: empty for the stream itself, std::nullopt for a
/// breadcrumb of any other form.
std::optional<std::string_view> column_of(const Json& entry);

/// The metadata of a stream's entry in a catalog document, by breadcrumb: the stream's own if `column` is
/// empty. Null if there is none.
Json* find_metadata(Json& stream, std::string_view column);
/// The same, created if there is none.
Json& metadata(Json& stream, std::string_view column);

}  // namespace tap::singer
