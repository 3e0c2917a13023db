// SPDX-License-Identifier: Apache-2.0
#include "published_columns.hpp"

#include <algorithm>
#include <string>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <tap/pg/catalog/publication_statements.hpp>

#include "publication_advice.hpp"

namespace tap::sync {

namespace {

using Names = std::vector<std::string>;
using Severity = PublicationFinding::Severity;

bool contains(const Names& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

/// `p`, or `p, q`.
std::string publications_of(const pg::PublishedTable& table) {
  Names names;
  for (const pg::PublishedAs& as : table.published) {
    names.push_back(as.publication);
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string publish_generated(const pg::PublishedAs& as) {
  return pg::set_option(as.publication, "publish_generated_columns", "stored");
}

}  // namespace

std::optional<PublicationFinding> unequal_columns(const PublicationFacts& facts,
                                                  const PublishedStream& stream,
                                                  const pg::PublishedTable& table) {
  const auto& published = table.published;
  const auto other = std::ranges::find_if(
      published, [&](const pg::PublishedAs& as) { return as.columns != published.front().columns; });
  if (other == published.end()) {
    return std::nullopt;
  }
  const bool is_first = published.front().has_column_list && !other->has_column_list;
  const pg::PublishedAs& smaller =
      is_first || other->columns.size() > published.front().columns.size() ? published.front() : *other;
  return PublicationFinding{
      Severity::error, "stream " + stream.id,
      Problem{fmt::format("publications {} publish different columns of {}, which the server refuses",
                          publications_of(table), quoted(table.name)),
              "publish the same columns in both",
              smaller.has_column_list ? republish(facts, smaller, table) : publish_generated(smaller)}};
}

std::optional<PublicationFinding> unpublished_key(const PublicationFacts& facts,
                                                  const PublishedStream& stream,
                                                  const pg::PublishedTable& table) {
  const pg::PublishedAs& as = table.published.front();
  const auto key = std::ranges::find_if(stream.keys, [&](const std::string& column) {
    return contains(table.columns, column) && !contains(as.columns, column);
  });
  if (key == stream.keys.end()) {
    return std::nullopt;
  }
  const std::string then = refresh_if_losing(facts, stream);
  Problem problem{
      fmt::format("publication {} does not publish key column {} of {}, so that records would have "
                  "no key",
                  as.publication, *key, quoted(table.name))};
  const bool is_generated = contains(table.generated, *key);
  if (as.has_column_list) {
    problem.needed = "publish all columns" + then;
    problem.fix = republish(facts, as, table);
  } else if (is_generated && facts.version.publishes_generated_columns()) {
    problem.needed = "publish it" + then;
    problem.fix = publish_generated(as);
  } else {
    problem.needed = fmt::format("it is a {}generated column", is_generated ? "" : "virtual ");
    problem.fix =
        "set the stream's replication-method to FULL_TABLE, or set logical_decoding_plugin to wal2json, if "
        "the server has it";
  }
  return PublicationFinding{Severity::error, "stream " + stream.id, problem, {stream.id}};
}

std::vector<PublicationFinding> columns_to_read(const PublicationFacts& facts,
                                                const PublishedStream& stream) {
  Names listed_out;
  Names generated;
  const pg::PublishedTable* incomplete = nullptr;
  for (const pg::PublishedTable& table : stream.tables) {
    if (table.is_partitioned || table.published.empty() || incomplete != nullptr) {
      continue;
    }
    const pg::PublishedAs& as = table.published.front();
    for (const std::string& column : stream.columns) {
      if (contains(table.columns, column) && !contains(as.columns, column) &&
          !contains(table.virtuals, column)) {
        (contains(table.generated, column) ? generated : listed_out).push_back(column);
        incomplete = &table;
      }
    }
  }
  std::vector<PublicationFinding> findings;
  const std::string subject = "stream " + stream.id;
  const std::string then = refresh_if_losing(facts, stream);
  if (!listed_out.empty()) {
    const pg::PublishedAs& as = incomplete->published.front();
    findings.push_back(
        {Severity::warning, subject,
         Problem{
             fmt::format("columns {} are not in the column list of publication {}: they are read from the "
                         "table after each change",
                         fmt::join(listed_out, ", "), as.publication),
             "publish all columns" + then, republish(facts, as, *incomplete)}});
  }
  if (!generated.empty()) {
    const bool may_publish = facts.version.publishes_generated_columns();
    findings.push_back(
        {Severity::note, subject,
         Problem{fmt::format(
                     "generated columns {} are not published: they are read from the table after each change",
                     fmt::join(generated, ", ")),
                 may_publish ? "publish them" : "",
                 may_publish ? publish_generated(incomplete->published.front()) : ""}});
  }
  return findings;
}

}  // namespace tap::sync
