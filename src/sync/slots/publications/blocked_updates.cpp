// SPDX-License-Identifier: Apache-2.0
#include "blocked_updates.hpp"

#include <algorithm>
#include <set>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <tap/pg/catalog/publication_statements.hpp>

#include "publication_advice.hpp"

namespace tap::sync {

namespace {

using Names = std::vector<std::string>;

std::string identity_full(const pg::PublishedTable& table) {
  return fmt::format("ALTER TABLE {} REPLICA IDENTITY FULL", quoted(table.name));
}

/// The server refuses UPDATE and DELETE of the table for its row filter.
bool lacks_filter_columns(const pg::PublishedTable& table, const pg::PublishedAs& as) {
  return std::ranges::any_of(as.filter_columns, [&](const std::string& column) {
    return std::ranges::find(table.identity, column) == table.identity.end();
  });
}

/// SQL that moves a table to the publication without updates; nothing if that is not possible. `in_steps`: a
/// run must record that the table is in both, or changes may be missing for all the next run knows.
std::string publish_only_inserts(const PublicationFacts& facts, const pg::PublishedTable& table,
                                 const pg::PublishedAs& as, bool in_steps) {
  const std::string name = inserts_publication(facts.names.front());
  const pg::Publication* target = facts.find(name);
  if (!as.member || *as.member != table.name || (target != nullptr && target->needs_identity()) ||
      (target == nullptr && facts.refuses_new_publications())) {
    return "";
  }
  const pg::Member member{table.name, table.has_children, as.row_filter};
  const bool is_in_target =
      std::ranges::find(table.published, name, &pg::PublishedAs::publication) != table.published.end();
  const std::string drop = pg::drop_tables(as.publication, {member});
  if (target != nullptr && in_steps) {
    return fmt::format("{}once a run has read both publications, {}",
                       is_in_target ? "" : pg::add_tables(name, {member}) + "; ", drop);
  }
  Names statements = {"BEGIN"};
  if (target == nullptr) {
    statements.push_back(pg::create_publication({name, {member}, true, true}, facts.version));
  } else if (!is_in_target) {
    statements.push_back(pg::add_tables(name, {member}));
  }
  statements.push_back(drop);
  statements.emplace_back("COMMIT");
  return join_statements(statements);
}

Problem describe(const PublicationFacts& facts, const PublishedStream& stream,
                 const pg::PublishedTable& table, const pg::PublishedAs& as) {
  const auto problem = [&](const char* cause, const std::string& needed, const std::string& fix) {
    return Problem{fmt::format("the server refuses UPDATE and DELETE of {}, because publication {} publishes "
                               "them and {}",
                               quoted(table.name), as.publication, cause),
                   needed, fix};
  };
  const bool has_virtual = std::ranges::any_of(table.identity, [&](const std::string& column) {
    return std::ranges::find(table.virtuals, column) != table.virtuals.end();
  });
  if (table.identity.empty() || has_virtual) {
    const char* const cause = has_virtual ? "its replica identity contains a virtual generated column"
                                          : "it has no replica identity";
    const std::string only_inserts = publish_only_inserts(facts, table, as, facts.loses_changes(stream));
    if (!only_inserts.empty()) {
      return problem(cause, "publish only its inserts", only_inserts);
    }
    if (has_virtual) {
      return problem(cause, "give it a primary key, then run",
                     fmt::format("ALTER TABLE {} REPLICA IDENTITY DEFAULT", quoted(table.name)));
    }
    return may_be_full(facts, table) ? problem(cause, "", identity_full(table))
                                     : problem(cause, "give it a primary key", "");
  }
  if (lacks_filter_columns(table, as)) {
    const char* const cause = "its row filter there has columns that are not in its replica identity";
    if (may_be_full(facts, table)) {
      return problem(cause, "", identity_full(table));
    }
    const std::string only_inserts = publish_only_inserts(facts, table, as, facts.loses_changes(stream));
    return problem(
        cause, only_inserts.empty() ? "give it a replica identity that has them" : "publish only its inserts",
        only_inserts);
  }
  if (as.has_column_list) {
    return problem("its replica identity is not in the column list",
                   "publish all columns" + refresh_if_losing(facts, stream), republish(facts, as, table));
  }
  return problem("its replica identity contains a generated column that is not published", "publish it",
                 pg::set_option(as.publication, "publish_generated_columns", "stored"));
}

}  // namespace

std::optional<Problem> blocked_updates(const PublicationFacts& facts, const PublishedStream& stream,
                                       const pg::PublishedTable& table) {
  const auto as = std::ranges::find(table.published, false, &pg::PublishedAs::allows_updates);
  return as == table.published.end() ? std::nullopt : std::optional(describe(facts, stream, table, *as));
}

std::vector<PublicationFinding> blocked_other_tables(const PublicationFacts& facts) {
  std::set<pg::TableName> of_streams;
  for (const PublishedStream& stream : facts.streams) {
    for (const pg::PublishedTable& table : stream.tables) {
      of_streams.insert(table.name);
    }
  }
  std::vector<PublicationFinding> findings;
  for (const pg::Publication& publication : facts.existing) {
    Names tables;
    Names statements;
    bool any_filter = false;
    for (const pg::PublishedTable& table : facts.unidentified) {
      const auto as = std::ranges::find_if(table.published, [&](const pg::PublishedAs& each) {
        return each.publication == publication.name && !each.allows_updates;
      });
      if (as == table.published.end() || table.is_partitioned || of_streams.contains(table.name)) {
        continue;
      }
      tables.push_back(quoted(table.name));
      const bool lacks_columns = lacks_filter_columns(table, *as);
      any_filter = any_filter || lacks_columns;
      if ((table.identity.empty() || lacks_columns) && may_be_full(facts, table)) {
        statements.push_back(identity_full(table));
      }
    }
    if (!tables.empty()) {
      const Problem problem{
          fmt::format(
              "the server refuses UPDATE and DELETE of {}, because it publishes them and their "
              "replica identity is missing{}",
              shortened(tables),
              any_filter ? ", not published, or without columns of the row filter" : " or not published"),
          "give them a replica identity", join_statements(statements)};
      findings.push_back({PublicationFinding::Severity::warning, "publication " + publication.name, problem});
    }
  }
  return findings;
}

}  // namespace tap::sync
