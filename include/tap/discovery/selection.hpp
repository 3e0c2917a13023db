// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <tap/base/json.hpp>
#include <tap/discovery/discovery.hpp>

namespace tap::discovery {

/// What the command line says of the discovered streams.
struct Selection {
  std::vector<std::string>
      patterns;  ///< `schema.table` or `schema.table.column` globs, `!` in front excludes
  std::optional<std::string> replication_method;
  std::optional<std::string> replication_key;
};

/// Takes over into `streams`, by stream and column, what a user set in an earlier catalog: selections,
/// methods, keys, and any metadata that discovery does not make. Logs the streams that are new and those that
/// are gone. `earlier` must be a catalog that singer::read_catalog() takes.
void keep_selections(std::vector<DiscoveredStream>& streams, Json earlier);

/// Selects streams and columns by patterns, then gives the selected streams the method and the key. Views and
/// foreign tables are left out of LOG_BASED, tables without the key out of a selection by key, with a
/// warning. Throws Error (ExitCode::usage) for a pattern that matches nothing.
void select(std::vector<DiscoveredStream>& streams, const Selection& selection);

}  // namespace tap::discovery
