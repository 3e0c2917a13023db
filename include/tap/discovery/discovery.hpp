// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <tap/base/json.hpp>
#include <tap/config/config.hpp>
#include <tap/pg/tables.hpp>
#include <tap/value/options.hpp>

namespace tap::discovery {

/// The catalog entry of one table, as the Python tap writes it (design 11 aside).
Json catalog_entry(const std::string& database, const pg::Table& table, const TypeRows& types,
                   const value::Options& options);

/// A stream that was found, and what kind of relation it reads.
struct DiscoveredStream {
  Json entry;
  pg::RelationKind kind;
};

/// The entries of every table that the user can read: in all databases of the cluster, or in those that
/// `filter_dbs` names. A database that cannot be entered is a warning. Throws Error if there is no table at
/// all.
std::vector<DiscoveredStream> discover(const config::Config& config);

/// The entries alone, as a list.
Json to_entries(std::vector<DiscoveredStream> streams);

}  // namespace tap::discovery
