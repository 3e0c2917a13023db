// SPDX-License-Identifier: Apache-2.0
#include "publication_plan.hpp"

#include <algorithm>

#include <spdlog/fmt/fmt.h>

#include <tap/pg/catalog/publication_statements.hpp>

#include "publication_advice.hpp"
#include "published_rows.hpp"

namespace tap::sync {

namespace {

using Gap = PublishedUnit::Gap;

bool contains(const std::vector<pg::PublishedTable>& tables, const pg::TableName& name) {
  return std::ranges::find(tables, name, &pg::PublishedTable::name) != tables.end();
}

/// A partition of it may be selected as a stream of its own.
bool is_below(const PublishedStream& stream, const PublishedStream& above) {
  return &stream != &above && !stream.tables.empty() && stream.tables.front().is_partition &&
         !above.tables.empty() && stream.tables.front().name != above.tables.front().name &&
         contains(above.tables, stream.tables.front().name);
}

/// A partition whose deletes have another key than those of its root.
const pg::PublishedTable* uneven_partition(const PublishedUnit& unit) {
  for (const pg::PublishedTable* table : unit.tables) {
    if (table->is_full != unit.root->is_full || table->identity != unit.root->identity) {
      return table;
    }
  }
  return nullptr;
}

/// Distributes units to publications.
class Planner {
 public:
  Planner(const PublicationFacts& facts, bool losing) : facts_(facts), losing_(losing) {}

  PublicationPlan plan() {
    choose_units();
    distribute();
    for (const PublishedUnit& unit : chosen_) {
      if (std::ranges::find(accepted_, &unit) != accepted_.end()) {
        plan_.units.push_back(unit);
      }
    }
    return std::move(plan_);
  }

 private:
  using Units = std::vector<const PublishedUnit*>;

  void distribute() {
    Units with_updates;
    Units inserts_only;
    for (const PublishedUnit& unit : chosen_) {
      if (const auto problem = problem_of_filter(unit)) {
        obstruct(*problem, {&unit});
      } else {
        (unit.needs_updates ? with_updates : inserts_only).push_back(&unit);
      }
    }
    const std::string& first = facts_.names.front();
    const std::string second = inserts_publication(first);
    if (facts_.find(first) == nullptr) {
      create(first, with_updates, false);
      if (facts_.find(second) == nullptr) {  // later it could not be read through an existing slot
        create(second, inserts_only, true);
        return;
      }
    } else if (!with_updates.empty()) {
      if (const pg::Publication* target = facts_.find_target(facts_.names, true)) {
        add(*target, with_updates);
      } else {
        obstruct(no_target(first), with_updates);
      }
    }
    if (!inserts_only.empty()) {
      plan_inserts(second, inserts_only);
    }
  }

  void choose_units() {
    std::vector<PublishedUnit> all = published_units(facts_);
    std::erase_if(all, [&](const PublishedUnit& unit) {
      const bool is_planned = unit.gap == Gap::unpublished || unit.gap == Gap::actions;
      return !is_planned || facts_.loses_changes(*unit.stream) != losing_;
    });
    for (const PublishedUnit& unit : all) {
      const bool is_included = std::ranges::any_of(all, [&](const PublishedUnit& above) {
        return is_tree(above) && is_below(*unit.stream, *above.stream) &&
               above.needs_updates == unit.needs_updates;
      });
      const bool is_known = std::ranges::any_of(
          chosen_, [&](const PublishedUnit& known) { return known.root->name == unit.root->name; });
      if (!is_included && !is_known) {
        chosen_.push_back(unit);
      }
    }
    for (PublishedUnit& chosen : chosen_) {
      for (const PublishedUnit& unit : all) {
        if (unit.root->name == chosen.root->name ||
            (is_tree(chosen) && is_below(*unit.stream, *chosen.stream))) {
          chosen.streams.insert(unit.stream->id);
        }
      }
    }
  }

  [[nodiscard]] bool is_tree(const PublishedUnit& unit) const {
    return unit.root->is_partitioned && facts_.version.publishes_partitioned_tables();
  }

  /// No publication of the config publishes updates of tables that are added to it. The first one can, if
  /// that breaks none of its tables.
  [[nodiscard]] Problem no_target(const std::string& first) const {
    Problem problem{
        fmt::format(
            "publication {} does not publish inserts, updates and deletes of tables that are added to it",
            first),
        "set publication_name to another publication"};
    const bool is_safe = std::ranges::none_of(facts_.unidentified, [&](const pg::PublishedTable& table) {
      return std::ranges::find(table.published, first, &pg::PublishedAs::publication) !=
             table.published.end();
    });
    const pg::Publication& publication = *facts_.find(first);
    if (is_safe && !publication.all_tables && !publication.has_schemas) {  // they include new tables
      problem.needed = "publish them";
      problem.fix = pg::set_actions(first, {"insert", "update", "delete"}, facts_.version);
    }
    return problem;
  }

  void plan_inserts(const std::string& name, const Units& units) {
    std::vector<std::string> names = {name};
    names.insert(names.end(), facts_.names.begin(), facts_.names.end());
    if (const pg::Publication* target = facts_.find_target(names, false)) {
      add(*target, units);
    } else if (facts_.find(name) != nullptr) {
      obstruct(
          {fmt::format("publication {} publishes updates or deletes, but {} has no replica identity", name,
                       quoted(units.front()->root->name)),
           needs_updates_of(name) ? "move the tables whose updates it publishes to another publication" : "",
           needs_updates_of(name) ? "" : pg::set_actions(name, {"insert"}, facts_.version)},
          units);
    } else if (facts_.refuses_new_publications()) {
      obstruct(
          {fmt::format("{} has no replica identity, and publication {}, which would publish its inserts, "
                       "must be older than replication slot {}",
                       quoted(units.front()->root->name), name, *facts_.slot),
           is_full_publishable(*units.front()) ? "give the table a replica identity"
                                               : "give it a primary key",
           replica_identity_full(*units.front())},
          units);
    } else {
      create(name, units, true);
    }
  }

  /// A stream needs updates that the publication publishes.
  [[nodiscard]] bool needs_updates_of(const std::string& name) const {
    return std::ranges::any_of(published_units(facts_), [&](const PublishedUnit& unit) {
      return unit.needs_updates && std::ranges::any_of(unit.tables, [&](const pg::PublishedTable* table) {
               return std::ranges::find(table->published, name, &pg::PublishedAs::publication) !=
                      table->published.end();
             });
    });
  }

  /// The first publication can publish updates of the unit's tables with REPLICA IDENTITY FULL.
  [[nodiscard]] bool is_full_publishable(const PublishedUnit& unit) const {
    const pg::Publication* const target = facts_.find(facts_.names.front());
    const bool with_generated = target == nullptr || target->generated_columns;
    return std::ranges::all_of(unit.tables, [&](const pg::PublishedTable* table) {
      return !facts_.version.publishes_generated_columns() ||
             (table->virtuals.empty() && (with_generated || table->generated.empty()));
    });
  }

  [[nodiscard]] std::string replica_identity_full(const PublishedUnit& unit) const {
    std::vector<std::string> statements;
    if (!is_full_publishable(unit)) {
      return "";
    }
    for (const pg::PublishedTable* table : unit.tables) {
      if (table->identity.empty()) {
        statements.push_back(fmt::format("ALTER TABLE {} REPLICA IDENTITY FULL", quoted(table->name)));
      }
    }
    return join_statements(statements);
  }

  void create(const std::string& name, const Units& units, bool inserts_only) {
    plan_.statements.push_back(
        pg::create_publication({name, members(units), inserts_only, may_use_root_names()}, facts_.version));
    accept(units);
  }

  void add(const pg::Publication& target, const Units& units) {
    Units added;
    for (const PublishedUnit* unit : units) {
      if (const auto problem = problem_of_adding(target, *unit)) {
        obstruct(*problem, {unit});
      } else {
        added.push_back(unit);
      }
    }
    if (!added.empty()) {
      plan_.statements.push_back(pg::add_tables(target.name, members(added)));
      accept(added);
    }
  }

  [[nodiscard]] std::optional<Problem> problem_of_adding(const pg::Publication& target,
                                                         const PublishedUnit& unit) const {
    for (const PublishedStream& stream : facts_.streams) {
      if (target.via_root && is_tree(unit) && is_below(stream, *unit.stream)) {
        return changes_under_root(facts_, target.name, stream, unit.root->name);
      }
    }
    for (const pg::PublishedTable* table : unit.tables) {
      const auto list = std::ranges::find(table->published, true, &pg::PublishedAs::has_column_list);
      if (list != table->published.end()) {
        return Problem{fmt::format("publication {} has a column list of {}, and the server refuses different "
                                   "columns of one table in several publications",
                                   list->publication, quoted(list->table)),
                       "publish all columns", republish(facts_, *list, *table)};
      }
    }
    if (is_tree(unit) && !target.via_root && !filter_of(unit).empty()) {
      return Problem{
          fmt::format("publication {} publishes partitions under their own names, where the server "
                      "refuses a row filter of {}",
                      target.name, quoted(unit.root->name)),
          "publish them under the name of their root",
          pg::set_option(target.name, "publish_via_partition_root", "true")};
    }
    const auto may = [&](const pg::PublishedTable* table) {
      return pg::may_publish_updates(*table, facts_.version, target.generated_columns);
    };
    if (unit.needs_updates && !std::ranges::all_of(unit.tables, may)) {
      return Problem{
          fmt::format("the replica identity of {} contains a generated column, which publication {} "
                      "does not publish",
                      quoted(unit.root->name), target.name),
          "", pg::set_option(target.name, "publish_generated_columns", "stored")};
    }
    return std::nullopt;
  }

  /// The row filter of the tables that are published already, which the unit's tables get, too; empty: all
  /// rows.
  [[nodiscard]] std::string filter_of(const PublishedUnit& unit) const {
    return row_filter_of(*unit.stream, facts_).value_or("");
  }

  /// The server would refuse UPDATE and DELETE of tables with the row filter.
  [[nodiscard]] std::optional<Problem> problem_of_filter(const PublishedUnit& unit) const {
    const std::string filter = filter_of(unit);
    if (!unit.needs_updates || filter.empty()) {
      return std::nullopt;
    }
    const auto columns = row_filter_columns(*unit.stream);
    std::vector<std::string> tables;
    std::vector<std::string> statements;
    bool may_be_full = is_full_publishable(unit);
    for (const pg::PublishedTable* table : unit.tables) {
      const bool lacks_columns = std::ranges::any_of(columns, [&](const std::string& column) {
        return std::ranges::find(table->identity, column) == table->identity.end();
      });
      if (lacks_columns) {
        tables.push_back(quoted(table->name));
        statements.push_back(fmt::format("ALTER TABLE {} REPLICA IDENTITY FULL", tables.back()));
        may_be_full = may_be_full && !facts_.refusing_full.contains(table->name);
      }
    }
    if (tables.empty()) {
      return std::nullopt;
    }
    return Problem{fmt::format("the row filter {} has columns that are not in the replica identity of {}",
                               filter, shortened(tables)),
                   may_be_full ? "" : "give it a replica identity that has them",
                   may_be_full ? join_statements(statements) : ""};
  }

  /// The statements publish the units.
  void accept(const Units& units) { accepted_.insert(accepted_.end(), units.begin(), units.end()); }

  [[nodiscard]] std::vector<pg::Member> members(const Units& units) const {
    std::vector<pg::Member> members;
    members.reserve(units.size());
    for (const PublishedUnit* unit : units) {
      members.push_back({unit->root->name, unit->root->has_children, filter_of(*unit)});
    }
    return members;
  }

  /// Whether changes of partitions may have the names of their roots: not if a partition is a stream of its
  /// own, and not if a root does not have the key that deletes of its partitions have.
  [[nodiscard]] bool may_use_root_names() const {
    const auto& streams = facts_.streams;
    return std::ranges::none_of(streams,
                                [&](const PublishedStream& stream) {
                                  return std::ranges::any_of(streams, [&](const PublishedStream& above) {
                                    return is_below(stream, above);
                                  });
                                }) &&
           std::ranges::none_of(chosen_, [](const PublishedUnit& unit) {
             return unit.needs_updates && uneven_partition(unit) != nullptr;
           });
  }

  void obstruct(const Problem& problem, const Units& units) {
    PublicationPlan::Obstacle& obstacle = plan_.obstacles.emplace_back();
    obstacle.problem = problem;
    for (const PublishedUnit* unit : units) {
      obstacle.units.push_back(*unit);
    }
  }

  const PublicationFacts& facts_;
  bool losing_;
  std::vector<PublishedUnit> chosen_;
  Units accepted_;  // of `chosen_`
  PublicationPlan plan_;
};

}  // namespace

PublicationPlan plan_publications(const PublicationFacts& facts, bool losing) {
  return Planner(facts, losing).plan();
}

}  // namespace tap::sync
