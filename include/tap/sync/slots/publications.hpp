// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <tap/base/error.hpp>
#include <tap/base/json.hpp>
#include <tap/config/config.hpp>
#include <tap/pg/catalog/table_name.hpp>
#include <tap/pg/connection.hpp>
#include <tap/singer/state.hpp>
#include <tap/sync/plan.hpp>
#include <tap/sync/row_filter.hpp>

namespace tap::sync {

// Finding, checking and creating the publications that pgoutput reads. They must exist before the slot: a
// slot decodes with the catalog as of its position. The functions throw what Connection::query() does.
//
// Tables are published in the first publication of `publication_name`. Those without a usable replica
// identity are published in `<name>_inserts`, without updates and deletes: the server would refuse UPDATE and
// DELETE of them otherwise.

/// The key in a bookmark of what publication_record.hpp is about.
inline constexpr const char* kPublicationsKey = "publications";

/// True if the record says that changes of the stream are missing.
bool is_record_of_gap(const Json& record);

/// A log-based stream whose table must be published.
struct StreamToPublish {
  const StreamPlan* plan = nullptr;
  /// The stream needs changes that have been made already, so its table must have been published since.
  bool has_position = false;
  Json recorded{};  ///< see publication_record.hpp; null if nothing was recorded
};
/// The streams, with a position if their bookmark in `state` has one.
std::vector<StreamToPublish> streams_to_publish(const std::vector<const StreamPlan*>& streams,
                                                singer::State& state);

/// The name of the publication without updates and deletes that belongs to `publication`.
std::string inserts_publication(const std::string& publication);

/// What is wrong with the publications.
struct PublicationFinding {
  enum class Severity {
    note,
    warning,
    breaks_source,  ///< the application's own statements fail; a run warns
    error
  } severity = Severity::error;
  std::string subject;  ///< "publication tap_postgres", "stream shop-public-orders"
  Problem problem;
  /// The IDs of the streams that an error concerns: they fail. Empty: it ends the run.
  std::vector<std::string> streams{};
  /// The tables whose updates and deletes are not published, as this says.
  std::vector<pg::TableName> without_updates{};
};

/// The publications that a run reads.
struct PublicationsToRead {
  std::vector<std::string> names;  ///< those of the config, and their publications without updates
  std::vector<PublicationFinding> stream_errors;  ///< why some streams cannot be read
  std::map<std::string, Json> records;            ///< by stream, see publication_record.hpp
  std::set<pg::TableName> without_updates;        ///< see tables_without_updates()
  /// By stream: which of its rows the changes are about, if not all. Copies must not contain others.
  std::map<std::string, Condition> row_filters;
};
/// The tables of which a finding says that updates and deletes are not published, with the remedy.
std::set<pg::TableName> tables_without_updates(const std::vector<PublicationFinding>& findings);

/// Creates the publications and adds the streams' tables to them, as far as the config allows it and no
/// change gets lost. Transactions that are open then may have changed a table before it was published, see
/// open_transactions.hpp. `slot` is the pgoutput slot to be read, or std::nullopt if it will be
/// created afterwards. Logs warnings. Throws Error (ExitCode::log_based_unprepared) with the SQL if a
/// publication is missing, or if the server cannot read the publications together.
PublicationsToRead require_publications(pg::Connection& connection, const config::Config& config,
                                        const std::string& database,
                                        const std::vector<StreamToPublish>& streams,
                                        const std::optional<std::string>& slot);

/// What to record while a slot of wal2json is read that a slot of pgoutput will replace: changes of a table
/// that is published only later are then known to be missing. Streams whose tables are published are left out
/// while transactions are open that may have changed them before; the end of the run must be after this, at
/// pg::inserted_wal_lsn().
/// Throws what Connection::query() does.
std::map<std::string, Json> record_publications(pg::Connection& connection, const config::Config& config,
                                                const std::string& database,
                                                const std::vector<StreamToPublish>& streams);

/// Advice to drop one of these publications, which is newer than the slot; nothing unless it is a publication
/// without updates that publishes no table. Throws what Connection::query() does.
std::optional<std::string> drop_advice(pg::Connection& connection,
                                       const std::vector<std::string>& publications,
                                       const std::string& newer);

/// The findings of `tap-postgres check` on the publications. Changes nothing.
std::vector<PublicationFinding> publication_findings(pg::Connection& connection, const config::Config& config,
                                                     const std::string& database,
                                                     const std::vector<StreamToPublish>& streams,
                                                     const std::optional<std::string>& slot);

}  // namespace tap::sync
