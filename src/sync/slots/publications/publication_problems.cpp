// SPDX-License-Identifier: Apache-2.0
#include "publication_problems.hpp"

#include <algorithm>
#include <iterator>
#include <set>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <tap/pg/catalog/publication_statements.hpp>
#include <tap/pg/catalog/slots.hpp>
#include <tap/pg/quote.hpp>
#include <tap/sync/slots/server_requirements.hpp>

#include "blocked_updates.hpp"
#include "publication_advice.hpp"
#include "publication_record.hpp"
#include "published_columns.hpp"
#include "published_rows.hpp"

namespace tap::sync {

namespace {

using Gap = PublishedUnit::Gap;
using Names = std::vector<std::string>;
using Severity = PublicationFinding::Severity;

class Problems {
 public:
  explicit Problems(const PublicationFacts& facts) : facts_(facts), units_(published_units(facts)) {}

  std::vector<PublicationFinding> find() {
    if (find_missing()) {
      find_unpublished();
      for (const PublishedUnit& unit : units_) {
        check_rows(unit);
        check_updates(unit);
        check_partitions(unit);
      }
      const PublicationRecords records(facts_);
      for (const PublishedStream& stream : facts_.streams) {
        check_stream(stream);
        check_record(records, stream);
      }
      check_truncates();
      std::ranges::move(blocked_other_tables(facts_), std::back_inserter(findings_));
    }
    return std::move(findings_);
  }

 private:
  /// `streams`: see PublicationFinding.
  void add(Severity severity, const std::string& subject, const Problem& problem, const Names& streams = {}) {
    findings_.push_back({severity, subject, problem, streams});
  }
  static std::string subject_of(const PublishedStream& stream) { return "stream " + stream.id; }
  [[nodiscard]] std::string first_subject() const { return "publication " + facts_.names.front(); }

  /// Returns false if the first publication is missing, so that nothing else can be said.
  bool find_missing() {
    const std::string& first = facts_.names.front();
    for (const std::string& name : facts_.names) {
      if (name != first && facts_.find(name) == nullptr) {
        add(Severity::error, "publication " + name,
            {fmt::format("no publication {} in database {}", name, facts_.database), "",
             "create it, or remove it from publication_name"});
      }
    }
    if (facts_.find(first) != nullptr) {
      return true;
    }
    Problem problem{fmt::format("no publication {} in database {}", first, facts_.database)};
    std::set<std::string> losing;
    for (const PublishedStream& stream : facts_.streams) {
      if (facts_.loses_changes(stream)) {
        losing.insert(stream.id);
      }
    }
    PublicationPlan plan = plan_publications(facts_, false);
    if (facts_.streams.empty()) {
      problem.fix = fmt::format(
          "run tap-postgres slot create with --catalog, or create it for the tables to sync with CREATE "
          "PUBLICATION {} FOR TABLE ...",
          pg::quote_identifier(first));
      add(Severity::error, first_subject(), problem);
    } else if (!losing.empty() || facts_.refuses_new_publications()) {
      PublicationFacts later = facts_;  // with a new slot
      later.slot.reset();
      plan = plan_publications(later, false);
      plan.statements.push_back(pg::drop_slot_statement(*facts_.slot));
      plan.statements.push_back(
          pg::create_slot_statement({*facts_.slot, std::string(kPgoutput), facts_.is_failover}));
      problem.needed = fmt::format(
          "it must be older than replication slot {}: create both again, then restart the log-based streams "
          "with --full-refresh",
          *facts_.slot);
      problem.fix = join_statements(plan.statements);
      add(Severity::error, first_subject(), problem);
    } else if (facts_.may_create) {
      add(Severity::note, first_subject(), {"it does not exist; the run creates it"});
    } else {
      problem.fix =
          fmt::format("create it with {}{}", join_statements(plan.statements), facts_.alternative());
      add(Severity::error, first_subject(), problem);
    }
    return false;
  }

  void find_unpublished() {
    for (const bool losing : {true, false}) {
      const PublicationPlan plan = plan_publications(facts_, losing);
      for (const PublicationPlan::Obstacle& obstacle : plan.obstacles) {
        add_unpublished(obstacle.units, [&](Problem& problem, const std::set<std::string>& streams) {
          problem = {problem.found + ": " + obstacle.problem.found, obstacle.problem.needed,
                     obstacle.problem.fix};
          if (losing) {
            problem.needed +=
                fmt::format("{}then run with {}", problem.needed.empty() ? "repair that, " : ", ",
                            full_refresh(facts_, streams));
          }
        });
      }
      if (!losing && facts_.may_create && !plan.units.empty()) {
        add(Severity::note, first_subject(),
            {fmt::format("the run adds {} to it", shortened(tables_of(plan.units)))});
        continue;
      }
      add_unpublished(plan.units, [&](Problem& problem, const std::set<std::string>& streams) {
        if (losing) {
          problem.needed =
              fmt::format("changes that its streams need are missing; publish it, then run with {}",
                          full_refresh(facts_, streams));
          problem.fix = join_statements(plan.statements);
        } else {
          problem.fix = join_statements(plan.statements) + facts_.alternative();
        }
      });
    }
  }

  static Names tables_of(const std::vector<PublishedUnit>& units) {
    Names tables;
    for (const PublishedUnit& unit : units) {
      tables.push_back(quoted(unit.root->name));
    }
    return tables;
  }

  /// Adds the error that units are not published. `complete` gets it with the IDs of their streams, and adds
  /// what to do.
  template <class Complete>
  void add_unpublished(const std::vector<PublishedUnit>& units, Complete complete) {
    if (units.empty()) {
      return;
    }
    std::set<std::string> streams;
    for (const PublishedUnit& unit : units) {
      streams.insert(unit.streams.begin(), unit.streams.end());
    }
    const bool any_unpublished =
        std::ranges::find(units, Gap::unpublished, &PublishedUnit::gap) != units.end();
    Problem problem{fmt::format("publication {} does not publish {}{}", fmt::join(facts_.names, ", "),
                                any_unpublished ? "" : "all inserts, updates and deletes of ",
                                shortened(tables_of(units)))};
    complete(problem, streams);
    add(Severity::error, first_subject(), problem, {streams.begin(), streams.end()});
  }

  void check_rows(const PublishedUnit& unit) {
    if (unit.gap != Gap::rows) {
      return;
    }
    for (const pg::PublishedTable* table : unit.tables) {
      for (const pg::PublishedAs& as : table->published) {
        if (!as.row_filter.empty()) {
          pg::PublishedAs all_rows = as;
          all_rows.row_filter.clear();
          add(Severity::error, subject_of(*unit.stream),
              {fmt::format("publication {} publishes only the rows of {} with {}", as.publication,
                           quoted(as.table), as.row_filter),
               "publish all rows" + refresh_if_losing(facts_, *unit.stream),
               republish(facts_, all_rows, *table)},
              {unit.stream->id});
          return;
        }
      }
    }
  }

  /// Updates that could be published if tables had a replica identity.
  void check_updates(const PublishedUnit& unit) {
    const bool publishes_updates = std::ranges::any_of(unit.tables, [&](const pg::PublishedTable* table) {
      return std::ranges::any_of(table->published, [&](const pg::PublishedAs& as) {
        return facts_.find(as.publication)->needs_identity();
      });
    });
    if (unit.gap != Gap::none || unit.needs_updates || publishes_updates) {
      return;
    }
    std::vector<const pg::PublishedTable*> lacking;
    Names names;
    for (const pg::PublishedTable* table : unit.tables) {
      if (!pg::may_publish_updates(*table, facts_.version, true)) {
        lacking.push_back(table);
        names.push_back(quoted(table->name));
      }
    }
    const std::string reason =
        unit.root->is_partitioned && !unit.root->has_primary_key
            ? "partitions that are created later do not inherit a replica identity, so that the server would "
              "refuse their UPDATE and DELETE"
            : fmt::format("{} {} no usable replica identity",
                          unit.root->is_partitioned ? shortened(names) : "it",
                          names.size() == 1 ? "has" : "have");
    Problem problem{fmt::format("updates and deletes of {} are not published, because {}",
                                quoted(unit.root->name), reason)};
    advise_updates(facts_, unit, lacking, problem);
    add(Severity::warning, subject_of(*unit.stream), problem);
    for (const pg::PublishedTable* table : unit.tables) {
      findings_.back().without_updates.push_back(table->name);
    }
  }

  /// The remedy must not publish updates of partitions without a replica identity.
  [[nodiscard]] Problem unpublished_partitions(const PublishedUnit& unit) const {
    Problem problem{
        fmt::format("partitions of {} that are created later are not published", quoted(unit.root->name))};
    const pg::Publication& publication = *facts_.find(unit.tables.front()->published.front().publication);
    std::vector<const pg::PublishedTable*> lacking;
    for (const pg::PublishedTable* table : unit.tables) {
      if (!pg::may_publish_updates(*table, facts_.version, publication.generated_columns)) {
        lacking.push_back(table);
      }
    }
    if (publication.needs_identity() && (!unit.root->has_primary_key || !lacking.empty())) {
      advise_updates(facts_, unit, lacking, problem);
    } else {
      problem.fix = pg::add_tables(publication.name, {{unit.root->name}});
    }
    return problem;
  }

  void check_partitions(const PublishedUnit& unit) {
    if (!unit.root->is_partitioned || !facts_.version.publishes_partitioned_tables() ||
        unit.gap == Gap::unpublished || unit.gap == Gap::actions || unit.tables.empty()) {
      return;
    }
    const std::string subject = subject_of(*unit.stream);
    const std::string root = quoted(unit.root->name);
    const auto publishes_updates = [&](const pg::PublishedAs& as) {
      return facts_.find(as.publication)->needs_identity();
    };
    if (!unit.root->has_primary_key && std::ranges::any_of(unit.root->published, publishes_updates)) {
      add(Severity::note, subject,
          {fmt::format(
               "partitions of {} do not inherit a replica identity, and the server refuses UPDATE and DELETE "
               "of a published table without one",
               root),
           "give it a primary key, or each new partition a replica identity when it is created"});
    }
    if (unit.root->published.empty()) {
      add(Severity::warning, subject, unpublished_partitions(unit));
    }
    for (const pg::PublishedTable* table : unit.tables) {
      for (const pg::PublishedAs& as : table->published) {
        const auto listed = std::ranges::find(unit.stream->tables, as.table, &pg::PublishedTable::name);
        if (publishes_updates(as) && listed != unit.stream->tables.end() &&
            (listed->identity != table->identity || listed->is_full != table->is_full)) {
          const std::string own_names = publish_own_names(facts_, as.publication);
          add(Severity::warning, subject,
              {fmt::format(
                   "publication {} sends changes of {} under the name of {}, which has another replica "
                   "identity, so that deletes may lack the key",
                   as.publication, quoted(table->name), quoted(as.table)),
               own_names.empty() ? "give them the same replica identity"
                                 : "publish partitions under their own names",
               own_names});
          return;
        }
      }
    }
  }

  void check_stream(const PublishedStream& stream) {
    const std::string filter = row_filter_of(stream, facts_).value_or("");
    if (!filter.empty()) {
      add(Severity::note, subject_of(stream),
          {fmt::format("only rows with {} are synced, because its publications publish no others", filter)});
    }
    for (const pg::PublishedTable& table : stream.tables) {
      if (table.is_partitioned || table.published.empty()) {
        continue;
      }
      if (!check_name(stream, table)) {
        return;
      }
      if (const auto unequal = unequal_columns(facts_, stream, table)) {
        findings_.push_back(*unequal);
        return;
      }
      if (const auto problem = blocked_updates(facts_, stream, table)) {
        add(Severity::breaks_source, subject_of(stream), *problem);
      }
      if (const auto unpublished = unpublished_key(facts_, stream, table)) {
        findings_.push_back(*unpublished);
        return;
      }
    }
    std::ranges::move(columns_to_read(facts_, stream), std::back_inserter(findings_));
  }

  /// Unless another error says that changes of the stream are missing.
  void check_record(const PublicationRecords& records, const PublishedStream& stream) {
    const bool has_error = std::ranges::any_of(findings_, [&](const PublicationFinding& finding) {
      return std::ranges::find(finding.streams, stream.id) != finding.streams.end();
    });
    if (const auto gap = records.gap_of(stream); gap && !has_error) {
      findings_.push_back(*gap);
    }
  }

  /// Changes must have the name of a table of the stream.
  bool check_name(const PublishedStream& stream, const pg::PublishedTable& table) {
    for (const pg::PublishedAs& as : table.published) {
      if (std::ranges::find(stream.tables, as.table, &pg::PublishedTable::name) == stream.tables.end()) {
        add(Severity::error, subject_of(stream), changes_under_root(facts_, as.publication, stream, as.table),
            {stream.id});
        return false;
      }
    }
    return true;
  }

  void check_truncates() {
    std::set<std::string> known;
    for (const PublishedUnit& unit : units_) {
      for (const pg::PublishedTable* table : unit.tables) {
        const bool any = std::ranges::any_of(table->published, [&](const pg::PublishedAs& as) {
          return facts_.find(as.publication)->truncates;
        });
        if (any || table->published.empty()) {
          continue;
        }
        const pg::Publication& publication = *facts_.find(table->published.front().publication);
        if (known.insert(publication.name).second) {
          Names actions;
          for (const auto& [is_published, action] :
               {std::pair(publication.inserts, "insert"), std::pair(publication.updates, "update"),
                std::pair(publication.deletes, "delete")}) {
            if (is_published) {
              actions.emplace_back(action);
            }
          }
          add(Severity::warning, "publication " + publication.name,
              {"it does not publish TRUNCATE: rows of truncated tables stay in the target", "",
               pg::set_actions(publication.name, actions, facts_.version)});
        }
      }
    }
  }

  const PublicationFacts& facts_;
  std::vector<PublishedUnit> units_;
  std::vector<PublicationFinding> findings_;
};

}  // namespace

std::vector<PublicationFinding> publication_problems(const PublicationFacts& facts) {
  return Problems(facts).find();
}

}  // namespace tap::sync
