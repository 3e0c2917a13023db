// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <set>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <tap/base/log.hpp>
#include <tap/pg/catalog/publication_age.hpp>
#include <tap/pg/catalog/slots.hpp>
#include <tap/pg/quote.hpp>
#include <tap/sync/slots/publications.hpp>
#include <tap/sync/slots/selection.hpp>
#include <tap/sync/slots/server_requirements.hpp>

#include "open_transactions.hpp"
#include "publications/publication_advice.hpp"
#include "publications/publication_lookup.hpp"
#include "publications/publication_plan.hpp"
#include "publications/publication_problems.hpp"
#include "publications/publication_record.hpp"
#include "publications/published_rows.hpp"
#include "sync/bookmark_lsn.hpp"

namespace tap::sync {

namespace {

using Names = std::vector<std::string>;
using Severity = PublicationFinding::Severity;

/// The publications of the config, and their publications without updates that exist: the value of pgoutput's
/// option publication_names, once unquoted.
Names publications_to_read(const PublicationFacts& facts) {
  Names names = facts.names;
  for (const pg::Publication& found : facts.existing) {
    if (std::ranges::find(names, found.name) == names.end()) {
      names.push_back(found.name);
    }
  }
  return names;
}

/// A slot that the config would read without a publication; nothing if there is none.
std::optional<std::string> find_wal2json_slot(pg::Connection& connection, const config::Config& config,
                                              const std::string& database) {
  for (const std::string& name : slot_names(config, database)) {
    if (const auto slot = pg::find_slot(connection, name);
        slot && slot->plugin == kWal2json && slot->database == database) {
      return name;
    }
  }
  return std::nullopt;
}

/// Runs the statements in one transaction.
void run_statements(pg::Connection& connection, const Names& statements) {
  connection.pin_settings(true, "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; ");
  try {
    for (const std::string& statement : statements) {
      connection.execute(statement);
    }
    connection.execute("COMMIT");
  } catch (const pg::ServerError&) {
    connection.execute("ROLLBACK");
    throw;
  }
}

/// The role may not run the statements of the plan.
Problem refusal(pg::Connection& connection, const config::Config& config, const std::string& database,
                const pg::ServerError& error, const PublicationPlan& plan) {
  std::string fix = join_statements(plan.statements);
  if (const auto slot = find_wal2json_slot(connection, config, database)) {
    fix += fmt::format("; or set logical_decoding_plugin to wal2json, since slot {} needs no publication",
                       *slot);
  }
  return {
      fmt::format("cannot create or extend publications ({}): {}", connection.description(), error.what()),
      "a superuser, or the owner of the tables with the right to create publications, must run", fix};
}

std::map<std::string, Json> records_of(const PublicationFacts& facts,
                                       const std::vector<PublicationFinding>& findings) {
  const PublicationRecords known(facts);
  std::map<std::string, Json> records;
  for (const PublishedStream& stream : facts.streams) {
    if (stream.tables.empty()) {  // dropped, or it has another name for now
      continue;
    }
    const bool fails = std::ranges::any_of(findings, [&](const PublicationFinding& finding) {
      return std::ranges::find(finding.streams, stream.id) != finding.streams.end();
    });
    if (!fails) {
      records[stream.id] = known.record_of(stream);
    } else if (facts.loses_changes(stream)) {
      records[stream.id] = record_of_gap();
    }
  }
  return records;
}

bool ends_run(const PublicationFinding& finding) {
  return finding.severity == Severity::error && finding.streams.empty();
}

/// Throws the first error that ends the run.
void require_readable_streams(const std::vector<PublicationFinding>& findings) {
  if (const auto error = std::ranges::find_if(findings, ends_run); error != findings.end()) {
    throw Error(ExitCode::log_based_unprepared, error->problem);
  }
}

/// Logs warnings. Returns the errors of streams.
std::vector<PublicationFinding> report(const std::vector<PublicationFinding>& findings) {
  std::vector<PublicationFinding> errors;
  for (const PublicationFinding& finding : findings) {
    if (finding.severity == Severity::error) {
      errors.push_back(finding);
    } else if (finding.severity != Severity::note) {
      log::warn("{}: {}", finding.subject, to_text(finding.problem));
    }
  }
  return errors;
}

PublicationsToRead to_read(const PublicationFacts& facts, const std::vector<PublicationFinding>& findings) {
  return {publications_to_read(facts), report(findings), records_of(facts, findings),
          tables_without_updates(findings), row_filters_of(facts)};
}

}  // namespace

std::vector<StreamToPublish> streams_to_publish(const std::vector<const StreamPlan*>& streams,
                                                singer::State& state) {
  std::vector<StreamToPublish> all;
  all.reserve(streams.size());
  for (const StreamPlan* stream : streams) {
    const Json& bookmark = state.bookmark(stream->stream.id);
    const auto recorded = bookmark.find(kPublicationsKey);
    all.push_back(
        {stream, oldest_needed_lsn(bookmark).has_value(), recorded == bookmark.end() ? Json() : *recorded});
  }
  return all;
}

std::string inserts_publication(const std::string& publication) {
  constexpr std::string_view suffix = "_inserts";
  constexpr std::size_t longest = 63;  // the server cuts off the rest of a name
  std::size_t length = std::min(publication.size(), longest - suffix.size());
  const auto is_continued = [&] { return (static_cast<unsigned char>(publication[length]) & 0xC0U) == 0x80; };
  while (length > 0 && length < publication.size() && is_continued()) {
    --length;
  }
  return publication.substr(0, length) + std::string(suffix);
}

std::set<pg::TableName> tables_without_updates(const std::vector<PublicationFinding>& findings) {
  std::set<pg::TableName> tables;
  for (const PublicationFinding& finding : findings) {
    tables.insert(finding.without_updates.begin(), finding.without_updates.end());
  }
  return tables;
}

PublicationsToRead require_publications(pg::Connection& connection, const config::Config& config,
                                        const std::string& database,
                                        const std::vector<StreamToPublish>& streams,
                                        const std::optional<std::string>& slot) {
  constexpr int most_attempts = 5;
  for (int attempt = 1;; ++attempt) {
    PublicationFacts facts = look_up_publications(connection, config, database, streams, slot, false);
    std::vector<PublicationFinding> findings = publication_problems(facts);
    if (std::ranges::find(findings, Severity::error, &PublicationFinding::severity) != findings.end()) {
      facts = look_up_publications(connection, config, database, streams, slot, true);  // for the advice
      findings = publication_problems(facts);
    }
    require_readable_streams(findings);
    const PublicationPlan plan = facts.may_create ? plan_publications(facts, false) : PublicationPlan();
    if (plan.statements.empty() || attempt == most_attempts) {
      return to_read(facts, findings);
    }
    if (!slot && config.log.create_slot) {
      require_room_for_slot(connection, slot_to_create(connection, config, database), kPgoutput);
    }
    try {
      run_statements(connection, plan.statements);
    } catch (const pg::ServerError& error) {
      const bool exists = error.sqlstate() == "42710" || error.sqlstate() == "23505";
      if (exists) {  // another run was faster
        continue;
      }
      if (error.sqlstate() != "42501") {
        throw;
      }
      const Problem problem = refusal(connection, config, database, error, plan);
      if (!slot) {
        throw Error(ExitCode::log_based_unprepared, problem);
      }
      std::set<std::string> refused;  // new streams: the others can be read
      for (const PublishedUnit& unit : plan.units) {
        refused.insert(unit.streams.begin(), unit.streams.end());
      }
      findings.push_back({Severity::error, "", problem, {refused.begin(), refused.end()}});
      return to_read(facts, findings);
    }
    for (const std::string& statement : plan.statements) {
      log::info("changed publications: {}", statement);
    }
  }
}

std::optional<std::string> drop_advice(pg::Connection& connection,
                                       const std::vector<std::string>& publications,
                                       const std::string& newer) {
  const bool is_inserts = std::ranges::any_of(
      publications, [&](const std::string& name) { return inserts_publication(name) == newer; });
  if (!is_inserts || pg::empty_publications(connection, {newer}).empty()) {
    return std::nullopt;
  }
  return fmt::format("drop it, since it publishes no table: DROP PUBLICATION {}",
                     pg::quote_identifier(newer));
}

std::map<std::string, Json> record_publications(pg::Connection& connection, const config::Config& config,
                                                const std::string& database,
                                                const std::vector<StreamToPublish>& streams) {
  PublicationFacts facts = look_up_publications(connection, config, database, streams, std::nullopt, false);
  facts.may_create = false;  // while a slot of wal2json is read, gaps stay
  const std::vector<PublicationFinding> findings = publication_problems(facts);
  const PublicationRecords known(facts);
  std::map<std::string, Json> records;
  std::set<std::string> uncertain;
  for (std::size_t i = 0; i < streams.size(); ++i) {
    const PublishedStream& stream = facts.streams[i];
    const bool fails = std::ranges::any_of(findings, [&](const PublicationFinding& finding) {
      return ends_run(finding) || std::ranges::find(finding.streams, stream.id) != finding.streams.end();
    });
    const bool is_filtered = !row_filter_of(stream, facts).value_or("").empty();  // wal2json sends all rows
    Json record = fails || is_filtered ? record_of_gap() : known.record_of(stream);
    record = record.empty() ? record_of_gap() : record;
    if (record != streams[i].recorded && !is_record_of_gap(record)) {
      uncertain.insert(stream.id);
    }
    records[stream.id] = std::move(record);
  }
  if (!uncertain.empty() && !OpenTransactions(connection).end_soon(connection)) {
    log::info(
        "transactions are open that may have changed tables before these were published: a later run reads "
        "the new replication slot");
    for (const std::string& stream : uncertain) {
      records.erase(stream);
    }
  }
  return records;
}

std::vector<PublicationFinding> publication_findings(pg::Connection& connection, const config::Config& config,
                                                     const std::string& database,
                                                     const std::vector<StreamToPublish>& streams,
                                                     const std::optional<std::string>& slot) {
  const PublicationFacts facts = look_up_publications(connection, config, database, streams, slot, true);
  std::vector<PublicationFinding> findings = publication_problems(facts);
  if (slot) {
    const Names names = with_inserts_publications(facts.names);
    for (const std::string& name : pg::publications_newer_than_slot(connection, names, *slot)) {
      const auto drop = drop_advice(connection, names, name);
      findings.push_back(
          {Severity::warning,
           "publication " + name,
           {fmt::format("it may have been created after replication slot {}, which then lacks older changes",
                        *slot),
            "unless it was only altered, " +
                drop.value_or("create the slot again and run with --full-refresh")}});
    }
  }
  return findings;
}

}  // namespace tap::sync
