// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include <tap/base/json.hpp>
#include <tap/pg/catalog/publications.hpp>
#include <tap/pg/server_version.hpp>

namespace tap::sync {

/// A log-based stream with what is published of its tables.
struct PublishedStream {
  std::string id;
  bool has_position = false;               ///< see StreamToPublish
  std::vector<std::string> columns;        ///< the synced ones
  std::vector<std::string> keys;           ///< the key columns of the records
  std::vector<pg::PublishedTable> tables;  ///< the stream's own table first; empty if it is missing
  Json recorded{};                         ///< see StreamToPublish
};

/// All that decisions on the publications of a database depend on.
struct PublicationFacts {
  pg::ServerVersion version{0};
  std::string database;
  std::vector<std::string> names;         ///< of the config
  bool may_create = false;                ///< the config and the server allow to create and extend them
  bool is_standby = false;                ///< they must be created on its primary
  std::optional<std::string> slot;        ///< the pgoutput slot
  bool is_failover = false;               ///< a slot that replaces `slot` must be a failover slot
  std::vector<pg::Publication> existing;  ///< of `names` and their publications without updates
  std::vector<PublishedStream> streams;
  std::vector<pg::PublishedTable> unidentified;  ///< see pg::unidentified_tables()
  std::set<pg::TableName> refusing_full;         ///< see pg::ReplicaIdentity::refuses_full

  /// Null if it does not exist.
  [[nodiscard]] const pg::Publication* find(const std::string& name) const;
  /// The first of `candidates` that publishes the right actions of tables that are added to it: inserts, and
  /// both updates and deletes or neither. Null if none does.
  [[nodiscard]] const pg::Publication* find_target(const std::vector<std::string>& candidates,
                                                   bool updates) const;
  /// What else the user can do about a missing publication than to run SQL.
  [[nodiscard]] const char* alternative() const {
    return is_standby ? "; run it on the primary" : ", or set create_publication to true";
  }
  /// An update of the stream that its position requires may be missing if its table is published only now.
  [[nodiscard]] bool loses_changes(const PublishedStream& stream) const {
    return slot && stream.has_position;
  }
  /// The slot's older changes cannot be read with a publication that is created now.
  [[nodiscard]] bool refuses_new_publications() const { return slot.has_value(); }
};

/// What has to be published at once: a table, or a partitioned table with its partitions.
struct PublishedUnit {
  const PublishedStream* stream = nullptr;
  const pg::PublishedTable* root = nullptr;
  std::vector<const pg::PublishedTable*> tables;  ///< those with rows
  /// Updates and deletes can be published: all tables have a replica identity, and so will new partitions.
  bool needs_updates = false;

  enum class Gap {
    none,
    unpublished,  ///< a table is in none of the publications
    actions,      ///< inserts, updates or deletes are not published
    rows          ///< a row filter leaves rows out, and row_filter_of() is nothing
  } gap = Gap::none;

  /// Of a plan: the IDs of all streams that need the unit.
  std::set<std::string> streams{};
};
std::vector<PublishedUnit> published_units(const PublicationFacts& facts);

}  // namespace tap::sync
