// SPDX-License-Identifier: Apache-2.0
#include "publication_lookup.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include <tap/pg/catalog/publications.hpp>
#include <tap/pg/catalog/relation.hpp>
#include <tap/pg/catalog/replica_identity.hpp>
#include <tap/pg/catalog/slots.hpp>

#include "published_rows.hpp"
#include "sync/slots/slot_remedies.hpp"

namespace tap::sync {

namespace {

using Names = std::vector<std::string>;

/// Those whose replica identity is missing or may lack columns of a row filter, for the advice.
std::set<pg::TableName> tables_refusing_full(pg::Connection& connection, const PublicationFacts& facts) {
  std::vector<pg::TableName> names;
  for (const PublishedStream& stream : facts.streams) {
    const bool is_filtered = !row_filter_columns(stream).empty();
    for (const pg::PublishedTable& table : stream.tables) {
      if (!table.is_partitioned &&
          (is_filtered ? !table.is_full : table.identity.empty() && !table.published.empty())) {
        names.push_back(table.name);
      }
    }
  }
  std::set<pg::TableName> refusing;
  if (names.empty()) {
    return refusing;
  }
  for (const auto& tree : pg::replica_identities(connection, names)) {
    if (!tree.empty() && tree.front().refuses_full) {
      refusing.insert(tree.front().name);
    }
  }
  return refusing;
}

}  // namespace

std::vector<std::string> with_inserts_publications(const std::vector<std::string>& names) {
  Names all = names;
  for (const std::string& name : names) {
    const std::string inserts = inserts_publication(name);
    if (std::ranges::find(all, inserts) == all.end()) {
      all.push_back(inserts);
    }
  }
  return all;
}

PublicationFacts look_up_publications(pg::Connection& connection, const config::Config& config,
                                      const std::string& database,
                                      const std::vector<StreamToPublish>& streams,
                                      const std::optional<std::string>& slot, bool with_unidentified) {
  PublicationFacts facts;
  facts.version = connection.version();
  facts.database = database;
  facts.names = config.log.publications;
  facts.is_standby = pg::decoding_status(connection).in_recovery;
  facts.may_create = config.log.creates_publication() && !facts.is_standby;
  facts.slot = slot;
  std::vector<pg::TableName> tables;
  for (const StreamToPublish& stream : streams) {
    const singer::Stream& table = stream.plan->stream;
    facts.streams.push_back(
        {table.id, stream.has_position, stream.plan->columns, table.key_properties, {}, stream.recorded});
    tables.push_back({table.schema_name, table.table});
  }
  const Names names = with_inserts_publications(facts.names);
  return pg::in_one_snapshot(connection, [&] {
    facts.existing = pg::find_publications(connection, names);
    if (const auto old =
            slot && !facts.find(facts.names.front()) ? pg::find_slot(connection, *slot) : std::nullopt) {
      facts.is_failover = replacement_of(connection, config.log, *old).is_failover;
    }
    auto trees = pg::published_tables(connection, tables, facts.existing);
    for (std::size_t i = 0; i < trees.size(); ++i) {
      facts.streams[i].tables = std::move(trees[i]);
    }
    facts.refusing_full = tables_refusing_full(connection, facts);
    if (with_unidentified) {
      facts.unidentified = pg::unidentified_tables(connection, facts.existing);
    }
    return facts;
  });
}

}  // namespace tap::sync
