// SPDX-License-Identifier: Apache-2.0
#include "publication_advice.hpp"

#include <algorithm>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <tap/pg/catalog/publication_statements.hpp>
#include <tap/pg/quote.hpp>

#include "published_rows.hpp"

namespace tap::sync {

std::string quoted(const pg::TableName& table) {
  return pg::quote_qualified(table.schema, table.table);
}

std::string join_statements(const std::vector<std::string>& statements) {
  return fmt::format("{}", fmt::join(statements, "; "));
}

std::string shortened(const std::vector<std::string>& names) {
  constexpr std::size_t most = 5;
  if (names.size() <= most) {
    return fmt::format("{}", fmt::join(names, ", "));
  }
  return fmt::format("{} and {} more", fmt::join(names.begin(), names.begin() + most, ", "),
                     names.size() - most);
}

bool may_be_full(const PublicationFacts& facts, const pg::PublishedTable& table) {
  return !facts.refusing_full.contains(table.name) &&
         std::ranges::all_of(table.published, [&](const pg::PublishedAs& as) {
           const pg::Publication* const publication = facts.find(as.publication);
           const bool is_checked = as.has_column_list || facts.version.publishes_generated_columns();
           return !is_checked || publication == nullptr || !publication->needs_identity() ||
                  as.columns.size() == table.columns.size();
         });
}

std::string full_refresh(const PublicationFacts& facts, const std::set<std::string>& streams) {
  return fmt::format("--full-refresh {}, because replication slot {} keeps WAL until then",
                     fmt::join(streams, " --full-refresh "), *facts.slot);
}

std::string refresh_if_losing(const PublicationFacts& facts, const PublishedStream& stream) {
  return facts.loses_changes(stream) ? ", then run with " + full_refresh(facts, {stream.id}) : "";
}

std::string republish(const PublicationFacts& facts, const pg::PublishedAs& as,
                      const pg::PublishedTable& table) {
  const pg::Member member{as.table, table.has_children && as.table == table.name, as.row_filter};
  std::vector<std::string> statements = {"BEGIN", pg::drop_tables(as.publication, {member}),
                                         pg::add_tables(as.publication, {member}), "COMMIT"};
  const pg::Publication* const publication = facts.find(as.publication);
  const bool has_generated_identity = std::ranges::any_of(table.identity, [&](const std::string& column) {
    return std::ranges::find(table.generated, column) != table.generated.end();
  });
  if (has_generated_identity && facts.version.publishes_generated_columns() && publication != nullptr &&
      !publication->generated_columns) {  // only a column list could contain it
    statements.insert(statements.begin() + 1,
                      pg::set_option(as.publication, "publish_generated_columns", "stored"));
  }
  return join_statements(statements);
}

std::string publish_rows(const std::string& publication, const pg::TableName& table,
                         const std::vector<Condition>& conditions) {
  pg::Member member{table};
  for (const Condition& condition : conditions) {
    const bool fits_in_line = condition.sql.find_first_of("\r\n\t") == std::string::npos &&
                              condition.sql.find("--") == std::string::npos;  // may be a comment
    const std::string sql = fits_in_line ? condition.sql : "...";
    member.row_filter += (member.row_filter.empty() ? "" : " AND ") +
                         (conditions.size() == 1 ? sql : fmt::format("({})", sql));
  }
  return join_statements(
      {"BEGIN", pg::drop_tables(publication, {member}), pg::add_tables(publication, {member}), "COMMIT"});
}

void advise_updates(const PublicationFacts& facts, const PublishedUnit& unit,
                    const std::vector<const pg::PublishedTable*>& unidentified, Problem& problem) {
  const pg::Publication* const target = facts.find_target(facts.names, true);
  if (target == nullptr) {
    problem.needed = "give it a replica identity and publish its updates, in one transaction";
    return;
  }
  const pg::PublishedTable& root = *unit.root;
  const bool lacks_generated = facts.version.publishes_generated_columns() && !target->generated_columns;
  const bool may_be_full = std::ranges::none_of(unidentified, [&](const pg::PublishedTable* table) {
    return !table->virtuals.empty() || (lacks_generated && !table->generated.empty()) ||
           facts.refusing_full.contains(table->name);  // the server would still refuse UPDATE and DELETE
  });
  const bool needs_key = !root.has_primary_key && (root.is_partitioned || !may_be_full);
  const std::string filter = row_filter_of(*unit.stream, facts).value_or("");
  if (!filter.empty() && (needs_key || !may_be_full)) {  // the server would still refuse UPDATE and DELETE
    problem.needed =
        "give it a replica identity that has all columns of the row filter, and publish its updates with the "
        "same filter, in one transaction";
    return;
  }
  std::vector<std::string> statements = {"BEGIN"};
  if (needs_key) {
    problem.needed = "give it a primary key";
    statements.push_back(fmt::format("ALTER TABLE {} ADD PRIMARY KEY (...)", quoted(root.name)));
  }
  const char* const identity = may_be_full && !needs_key ? "FULL" : "DEFAULT";
  for (const pg::PublishedTable* table : unidentified) {
    statements.push_back(fmt::format("ALTER TABLE {} REPLICA IDENTITY {}", quoted(table->name), identity));
  }
  // It stays in the other one, see PublicationRecords.
  statements.push_back(pg::add_tables(target->name, {{root.name, root.has_children, filter}}));
  statements.emplace_back("COMMIT");
  problem.fix = join_statements(statements);
}

std::string publish_own_names(const PublicationFacts& facts, const std::string& publication) {
  const auto is_safe = [&](const pg::PublishedTable& table) {
    return std::ranges::all_of(table.published, [&](const pg::PublishedAs& as) {
      return as.publication != publication || as.may_have_own_name;
    });
  };
  const bool may_have_own_names = std::ranges::all_of(facts.unidentified, is_safe) &&
                                  std::ranges::all_of(facts.streams, [&](const PublishedStream& stream) {
                                    return std::ranges::all_of(stream.tables, is_safe);
                                  });
  return may_have_own_names ? pg::set_option(publication, "publish_via_partition_root", "false") : "";
}

Problem changes_under_root(const PublicationFacts& facts, const std::string& publication,
                           const PublishedStream& stream, const pg::TableName& root) {
  const std::string own_names = publish_own_names(facts, publication);
  return {
      fmt::format("publication {} sends changes of {} under the name of {}, so that stream {} receives none",
                  publication, quoted(stream.tables.front().name), quoted(root), stream.id),
      fmt::format("deselect the stream{}{}",
                  own_names.empty() ? "" : ", or publish partitions under their own names",
                  !own_names.empty() && facts.loses_changes(stream)
                      ? ", and run with " + full_refresh(facts, {stream.id})
                      : ""),
      own_names};
}

}  // namespace tap::sync
