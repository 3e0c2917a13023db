// SPDX-License-Identifier: Apache-2.0
#include "published_units.hpp"

#include <algorithm>

#include "published_rows.hpp"

namespace tap::sync {

namespace {

using Gap = PublishedUnit::Gap;

/// What is published of a table.
struct Actions {
  bool inserts = false;
  bool updates = false;
  bool deletes = false;

  void add(const pg::Publication& publication) {
    inserts = inserts || publication.inserts;
    updates = updates || publication.updates;
    deletes = deletes || publication.deletes;
  }
  [[nodiscard]] bool suffice(bool needs_updates) const {
    return inserts && (!needs_updates || (updates && deletes));
  }
};

/// `is_filtered`: a copy can be filtered in the same way.
Gap gap_of(const pg::PublishedTable& table, bool needs_updates, bool is_filtered,
           const PublicationFacts& facts) {
  if (table.published.empty()) {
    return Gap::unpublished;
  }
  Actions all;
  Actions of_all_rows;
  for (const pg::PublishedAs& as : table.published) {
    if (const pg::Publication* publication = facts.find(as.publication)) {
      all.add(*publication);
      if (as.row_filter.empty()) {
        of_all_rows.add(*publication);
      }
    }
  }
  if (!all.suffice(needs_updates)) {
    return Gap::actions;
  }
  return is_filtered || of_all_rows.suffice(needs_updates) ? Gap::none : Gap::rows;
}

/// Sets `needs_updates` and `gap`.
void assess(PublishedUnit& unit, const PublicationFacts& facts) {
  const auto may = [&](const pg::PublishedTable* table) {
    return pg::may_publish_updates(*table, facts.version, true);
  };
  // Partitions that are created later inherit a primary key, but not REPLICA IDENTITY FULL or USING INDEX.
  unit.needs_updates =
      (!unit.root->is_partitioned || unit.root->has_primary_key) && std::ranges::all_of(unit.tables, may);
  const bool is_filtered = !row_filter_of(*unit.stream, facts).value_or("").empty();
  for (const pg::PublishedTable* table : unit.tables) {
    unit.gap = std::max(unit.gap, gap_of(*table, unit.needs_updates, is_filtered, facts));
  }
  if (unit.tables.empty()) {
    unit.gap = gap_of(*unit.root, unit.needs_updates, is_filtered, facts);
  }
}

}  // namespace

const pg::Publication* PublicationFacts::find(const std::string& name) const {
  const auto found = std::ranges::find(existing, name, &pg::Publication::name);
  return found == existing.end() ? nullptr : &*found;
}

const pg::Publication* PublicationFacts::find_target(const std::vector<std::string>& candidates,
                                                     bool updates) const {
  for (const std::string& name : candidates) {
    const pg::Publication* const found = find(name);
    if (found != nullptr && !found->all_tables && found->inserts && found->updates == updates &&
        found->deletes == updates) {
      return found;
    }
  }
  return nullptr;
}

std::vector<PublishedUnit> published_units(const PublicationFacts& facts) {
  std::vector<PublishedUnit> units;
  for (const PublishedStream& stream : facts.streams) {
    if (stream.tables.empty() || !stream.tables.front().is_publishable) {
      continue;  // other checks report it
    }
    const pg::PublishedTable& root = stream.tables.front();
    const bool is_tree = root.is_partitioned && facts.version.publishes_partitioned_tables();
    if (is_tree) {
      units.push_back({&stream, &root, {}});
    }
    for (const pg::PublishedTable& table : stream.tables) {
      if (!table.is_publishable || table.is_partitioned) {
        continue;
      }
      if (is_tree) {
        units.back().tables.push_back(&table);
      } else {
        units.push_back({&stream, &table, {&table}});
      }
    }
  }
  for (PublishedUnit& unit : units) {
    assess(unit, facts);
  }
  return units;
}

}  // namespace tap::sync
