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

/// The catalog entry of one table, as the Python tap writes it (design 11 aside).
Json catalog_entry(const std::string& database, const pg::Table& table, const TypeRows& types,
                   const value::EncodingOptions& options);

/// A stream that was found, and what kind of relation it reads.
struct DiscoveredStream {
  Json entry;
  pg::RelationKind kind;
};

/// What is wrong when there is no table at all.
Problem nothing_to_discover(const config::Config& config);

/// Hands over every table that the user can read, one by one so that a large cluster's catalog need not be
/// held: in all databases, or in those that `filter_dbs` names. A database that cannot be entered is a
/// warning. Throws Error if there is no table at all.
void discover(const config::Config& config, const std::function<void(DiscoveredStream&)>& found);

}  // namespace tap::discovery
