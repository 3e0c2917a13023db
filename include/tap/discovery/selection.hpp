// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <tap/base/json.hpp>
#include <tap/discovery/discovery.hpp>
#include <tap/singer/replication_method.hpp>

namespace tap::discovery {

/// A pattern of --select, in its parts: `table`, `schema.table` or `schema.table.column`, each a glob; `!` in
/// front excludes.
struct Pattern {
  std::string text;
  bool excludes = false;
  std::string schema = "*";
  std::string table;
  std::string column;  ///< empty: the whole table
  bool used = false;   ///< has matched something
};

/// What the command line says of the discovered streams.
struct Selection {
  std::vector<std::string> patterns;  ///< of --select, as typed
  std::optional<singer::ReplicationMethod> replication_method;
  std::optional<std::string> replication_key;
};

/// What a user set in an earlier catalog, by stream and column: selections, methods, keys, and any metadata
/// that discovery does not make.
class EarlierCatalog {
 public:
  /// `catalog` must be one that singer::read_catalog() takes.
  explicit EarlierCatalog(Json catalog);
  EarlierCatalog(const EarlierCatalog&) = delete;
  EarlierCatalog& operator=(const EarlierCatalog&) = delete;

  /// Takes it over into a stream; logs a stream or column that is new.
  void keep(Json& stream);
  /// To be called after the last stream.
  void log_gone() const;

 private:
  Json catalog_;
  std::map<std::string, Json*> left_;  ///< by id: the streams not met again so far
};

/// Selects streams and columns by patterns, then gives the selected streams the method and the key. Views and
/// foreign tables are left out of LOG_BASED, tables without the key out of a selection by key, with a
/// warning.
class Selector {
 public:
  /// Throws Error (ExitCode::usage) for a pattern that is not one.
  explicit Selector(Selection selection);

  void apply(DiscoveredStream& stream);
  /// To be called after the last stream. Throws Error (ExitCode::usage) for a pattern that matched nothing.
  void check_all_used() const;

 private:
  Selection selection_;
  std::vector<Pattern> patterns_;
};

}  // namespace tap::discovery
