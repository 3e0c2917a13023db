// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <tap/pg/quote.hpp>
#include <tap/sync/validation.hpp>

#include "checks.hpp"
#include "stream_tables.hpp"

namespace tap::check {

namespace {

using singer::ReplicationMethod;
using sync::StreamPlan;

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

/// Checks one stream against its table. The stream is the subject of the findings.
class StreamCheck {
 public:
  StreamCheck(const StreamPlan& plan, const StreamTable& table, const TypeRows& types,
              const std::set<pg::TableName>& without_updates, Report& report)
      : plan_(plan),
        stream_(plan.stream),
        table_(table),
        types_(types),
        without_updates_(without_updates),
        report_(report),
        subject_("stream " + stream_.id),
        name_(pg::quote_qualified(stream_.schema_name, stream_.table)) {}

  void run(pg::Connection& connection) {
    const std::size_t before = report_.findings().size();
    report_.attempt(subject_, [&] {
      if (table_.oid == 0) {
        pg::refuse_missing_table(connection, {stream_.schema_name, stream_.table});
      }
      const bool may_read = check_privileges();
      sync::synced_columns(plan_, table_.columns, warn());
      if (plan_.method == ReplicationMethod::incremental) {
        check_replication_key();
      }
      if (plan_.method == ReplicationMethod::log_based && connection.version() >= pg::kOldestForLogBased) {
        sync::require_changes_in_wal(table_.logged);
        sync::warn_of_missing_changes(plan_, table_.logged, without_updates_, warn());
      }
      check_key();
      if (may_read && !plan_.where.empty()) {
        check_row_filter(connection);
      }
    });
    if (report_.findings().size() == before) {
      const auto& key = stream_.key_properties;
      report_.ok(subject_,
                 fmt::format("{}, {} columns, key {}", method(), plan_.columns.size(), fmt::join(key, ", ")));
    }
  }

 private:
  sync::Warn warn() {
    return [this](const Problem& problem) { report_.warning(subject_, problem); };
  }

  [[nodiscard]] std::string method() const {
    const std::string name(singer::method_name(plan_.method));
    return plan_.method == ReplicationMethod::incremental ? name + " by " + *stream_.replication_key : name;
  }

  /// False if the role may not read the stream's columns.
  bool check_privileges() {
    if (!table_.may_use_schema) {
      const std::string schema = pg::quote_identifier(stream_.schema_name);
      report_.error(subject_,
                    {fmt::format("permission denied for schema {}", schema), "",
                     fmt::format("GRANT USAGE ON SCHEMA {} TO {}", schema, table_.role)},
                    ExitCode::run_failed);
    }
    std::vector<std::string> denied;
    for (const std::string& column : plan_.columns) {
      if (contains(table_.unreadable, column)) {
        denied.push_back(pg::quote_identifier(column));
      }
    }
    if (!denied.empty() && table_.unreadable.size() == table_.columns.size()) {
      report_.error(subject_,
                    {fmt::format("permission denied for table {}", name_), "",
                     fmt::format("GRANT SELECT ON {} TO {}", name_, table_.role)},
                    ExitCode::run_failed);
    } else if (!denied.empty()) {
      const std::string columns = fmt::format("{}", fmt::join(denied, ", "));
      report_.error(
          subject_,
          {fmt::format("permission denied for columns {} of {}", columns, name_), "deselect them, or run",
           fmt::format("GRANT SELECT ({}) ON {} TO {}", columns, name_, table_.role)},
          ExitCode::run_failed);
    }
    if (table_.hides_rows) {
      // Bookmarks may be past the hidden rows.
      const std::string refresh =
          plan_.method == ReplicationMethod::full_table
              ? ""
              : fmt::format(", run this SQL, then run with --full-refresh {} to send them", plan_.stream.id);
      report_.warning(
          subject_,
          {fmt::format("row-level security of {} hides rows from {}", name_, table_.role),
           "unless this is intended" + refresh, fmt::format("ALTER ROLE {} BYPASSRLS", table_.role)});
    }
    return table_.may_use_schema && denied.empty();
  }

  void check_replication_key() {
    const pg::TableColumn& key = sync::replication_key_column(plan_, table_.columns, types_);
    const bool can_be_indexed = table_.kind == pg::RelationKind::table ||
                                table_.kind == pg::RelationKind::materialized_view ||
                                table_.kind == pg::RelationKind::partitioned;
    if (can_be_indexed && !table_.is_key_indexed) {
      // An index on a partitioned table cannot be created concurrently.
      const char* const how = table_.kind == pg::RelationKind::partitioned ? "" : "CONCURRENTLY ";
      report_.warning(
          subject_,
          {fmt::format("no index begins with the replication key {}: each run reads the whole table",
                       key.name),
           "", fmt::format("CREATE INDEX {}ON {} ({})", how, name_, pg::quote_identifier(key.name))});
    }
  }

  /// Planning a query takes a lock on the table, for which a check does not wait.
  void check_row_filter(pg::Connection& connection) {
    report_.read(connection, subject_, [&] {
      connection.execute("SET LOCAL lock_timeout = '10ms'");
      try {
        sync::require_valid_row_filter(connection, plan_);
      } catch (const pg::ServerError& error) {
        report_.warning(
            subject_, {fmt::format("cannot check the row filter: {}", error.what()), "run the check again"});
      }
    });
  }

  void check_key() {
    if (stream_.key_properties.empty()) {
      const bool is_table = !stream_.is_view;
      report_.note(subject_, {"it has no key, so a target cannot recognize repeated rows",
                              is_table ? "create a primary key, or name unique columns in the metadata"
                                       : "name unique columns in the metadata",
                              fmt::format("\"{}\": [\"...\"]",
                                          is_table ? "table-key-properties" : "view-key-properties")});
      return;
    }
    for (const std::string& column : stream_.key_properties) {
      if (!contains(plan_.columns, column)) {
        report_.warning(subject_, {fmt::format("key column {} is not selected, so records lack it", column),
                                   "select it in the column's metadata", "\"selected\": true"});
      }
    }
  }

  const StreamPlan& plan_;
  const singer::Stream& stream_;
  const StreamTable& table_;
  const TypeRows& types_;
  const std::set<pg::TableName>& without_updates_;
  Report& report_;
  std::string subject_;
  std::string name_;  ///< the table's, quoted
};

}  // namespace

void check_streams(pg::Connection& connection, const std::vector<const StreamPlan*>& streams,
                   const std::set<pg::TableName>& without_updates, Report& report) {
  StreamTables found;
  if (streams.empty() ||
      !report.read(connection, "streams", [&] { found = read_tables(connection, streams); })) {
    return;
  }
  for (std::size_t i = 0; i < streams.size(); ++i) {
    StreamCheck(*streams[i], found.tables[i], found.types, without_updates, report).run(connection);
  }
}

}  // namespace tap::check
