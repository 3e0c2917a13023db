// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string>

#include <tap/base/error.hpp>
#include <tap/base/json.hpp>
#include <tap/config/config.hpp>
#include <tap/pg/catalog/tables.hpp>
#include <tap/value/options.hpp>

namespace tap::discovery {

/// The catalog entry of one table, in the form of the Python tap's.
Json catalog_entry(const std::string& database, const pg::Table& table, const TypeRows& types,
                   const value::EncodingOptions& options);

/// A discovered stream.
struct DiscoveredStream {
  Json entry;             ///< of the catalog
  pg::RelationKind kind;  ///< of its table
};

/// The problem to report if no table can be discovered.
Problem nothing_to_discover(const config::Config& config);

/// Calls `found` for each table that the role can read, in all databases or those of `filter_dbs`. The tables
/// come one by one because the catalog of a large cluster does not fit into memory. A database that refuses
/// the connection is logged as a warning. Throws Error if no table can be read.
void discover(const config::Config& config, const std::function<void(DiscoveredStream&)>& found);

}  // namespace tap::discovery
