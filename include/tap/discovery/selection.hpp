// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <tap/base/json.hpp>
#include <tap/discovery/discovery.hpp>
#include <tap/singer/replication_method.hpp>
#include <tap/singer/writer.hpp>

namespace tap::discovery {

/// A parsed --select pattern: `table`, `schema.table` or `schema.table.column`, each part a glob; a leading
/// `!` excludes.
struct Pattern {
  std::string text;
  bool excludes = false;
  std::string schema = "*";
  std::string table;
  std::string column;  ///< empty: the whole table
  bool used = false;   ///< it has matched something
};

/// The selection options of the command line.
struct Selection {
  std::vector<std::string> patterns;  ///< of --select, as typed
  std::optional<singer::ReplicationMethod> replication_method;
  std::optional<std::string> replication_key;
};

/// The user's edits of an earlier catalog, by stream and column: selections, methods, keys, and all metadata
/// that discovery does not write.
class EarlierCatalog {
 public:
  /// `catalog` must be one that singer::read_catalog() accepts.
  explicit EarlierCatalog(Json catalog);
  EarlierCatalog(const EarlierCatalog&) = delete;
  EarlierCatalog& operator=(const EarlierCatalog&) = delete;

  /// Copies the user's metadata of this stream into its new entry; logs a new stream or column.
  void apply(Json& stream);
  /// Logs the streams that were not discovered again. Call it after the last stream.
  void log_missing_streams() const;

 private:
  Json catalog_;
  using Missing = std::map<std::string, Json*>;
  /// The entry of this stream's table, whose id the user may have changed.
  Missing::iterator find(Json& stream);

  Missing missing_;                            ///< by id: the streams not discovered so far
  std::map<std::string, std::string> tables_;  ///< their ids by database, schema and table
};

/// Selects streams and columns by patterns, then sets the replication method and key of the streams that the
/// patterns select, or of all selected ones if there are no patterns. What an earlier catalog selected stays
/// selected unless a pattern excludes it.
/// A stream that cannot have them (a view with LOG_BASED, a table without the key) is deselected with a
/// warning.
class Selector {
 public:
  /// Throws Error (ExitCode::usage) for a malformed pattern.
  explicit Selector(Selection selection);

  void apply(DiscoveredStream& stream);
  /// Throws Error (ExitCode::usage) for a pattern that matched nothing. Call it after the last stream.
  void check_all_used() const;

 private:
  Selection selection_;
  std::vector<Pattern> patterns_;
};

/// Discovers the tables and writes the catalog. `earlier_catalog` is a file whose edits the new catalog
/// keeps. Throws Error; nothing has been written then.
void write_catalog(const config::Config& config, const std::optional<std::string>& earlier_catalog,
                   const Selection& selection, singer::Writer& writer);

}  // namespace tap::discovery
