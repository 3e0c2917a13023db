// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include <tap/check/check.hpp>
#include <tap/config/config.hpp>
#include <tap/discovery/discovery.hpp>
#include <tap/pg/catalog/catalog_session.hpp>
#include <tap/pg/catalog/tables.hpp>
#include <tap/singer/catalog.hpp>
#include <tap/singer/state.hpp>
#include <tap/sync/slots/selection.hpp>

#include "checks.hpp"
#include "report.hpp"

namespace tap::check {

namespace {

using Streams = std::vector<const sync::StreamPlan*>;

/// Checks the files, then the server, then each database with its streams and WAL.
class Checker {
 public:
  explicit Checker(const Request& request) : request_(request) {}

  std::vector<Finding> run() {
    if (read_config()) {
      read_files();
      check_databases();
      if (config_.secondary.used) {
        check_standby();
      }
    }
    return report_.findings();
  }

 private:
  bool read_config() {
    return report_.attempt("config", [&] {
      config_ = config::load(request_.configs);
      // A silent network must not block the check forever.
      auto& keywords = config_.server.keywords;
      keywords.emplace("keepalives_idle", "10");
      keywords.emplace("keepalives_interval", "5");
      keywords.emplace("keepalives_count", "4");
      const auto timeout = keywords.find("connect_timeout");
      if (timeout != keywords.end() && std::strtol(timeout->second.c_str(), nullptr, 10) <= 0) {
        keywords.erase(timeout);
      }
    });
  }

  void read_files() {
    if (request_.state) {
      report_.attempt("state", [&] { state_ = singer::load_state(*request_.state); });
    }
    if (!request_.catalog) {
      return;
    }
    report_.attempt("catalog", [&] {
      const singer::Catalog catalog = singer::load_catalog(*request_.catalog);
      plan(catalog.streams);
      for (const Problem& problem : sync::shared_stream_names(plan_)) {
        report_.warning("catalog", problem);
      }
      for (const sync::UnusedRowFilter& filter : sync::unused_row_filters(config_, catalog)) {
        if (filter.is_error) {
          report_.error("catalog", filter.problem, ExitCode::usage);
        } else {
          report_.warning("catalog", filter.problem);
        }
      }
    });
    for (const sync::StreamPlan& stream : plan_) {
      by_database_[stream.database].push_back(&stream);
    }
  }

  /// Plans all streams; if that fails, plans each stream alone so that every mistake is reported.
  void plan(const std::vector<singer::Stream>& catalog) {
    try {
      plan_ = sync::plan(config_, catalog, request_.refresh, state_);
    } catch (const Error& mistake) {
      const std::size_t before = report_.findings().size();
      for (const singer::Stream& stream : catalog) {
        report_.attempt("stream " + stream.id, [&] {
          std::ranges::move(sync::plan(config_, {stream}, {request_.refresh.all, {}}, state_),
                            std::back_inserter(plan_));
        });
      }
      if (report_.findings().size() == before) {
        throw;
      }
      return;
    }
    if (plan_.empty()) {
      report_.warning("catalog", {"no stream is selected", "select streams in their metadata, or run",
                                  "tap-postgres --discover --select PATTERN"});
    } else {
      report_.ok("catalog", fmt::format("{} streams selected", plan_.size()));
    }
  }

  void check_databases() {
    const std::string home = config_.server.database();
    if (by_database_.empty() && !connect_and_check(home, {})) {
      return;
    }
    if (!request_.catalog) {
      report_.attempt("discovery", [&] { check_discovered(home); });
    }
    for (const auto& [database, streams] : by_database_) {
      if (!connect_and_check(database, streams)) {
        return;
      }
    }
  }

  /// Without a catalog: checks the databases that discovery would read.
  void check_discovered(const std::string& home) {
    if (!has_connected_) {
      return;
    }
    std::vector<std::string> databases;
    {
      pg::CatalogSession session(config_.server, home);
      databases = pg::databases(session, config_.filter_dbs);
    }
    for (const std::string& wanted : config_.filter_dbs) {
      if (std::ranges::find(databases, wanted) == databases.end()) {
        report_.warning("database " + wanted,
                        {"it is in filter_dbs, but does not exist or does not allow connections"});
      }
    }
    for (const std::string& database : databases) {
      if (database != home && !connect_and_check(database, {})) {
        return;
      }
    }
    const bool is_home_wanted = std::ranges::find(databases, home) != databases.end();
    if (readable_ == 0 || (!is_home_wanted && readable_ == readable_at_home_)) {
      report_.error("discovery", discovery::nothing_to_discover(config_), ExitCode::run_failed);
    }
  }

  /// Checks one database. Returns false if the server accepts no connection at all.
  bool connect_and_check(const std::string& database, const Streams& streams) {
    const bool is_home = database == config_.server.database();
    const std::string subject = "connection to database " + database;
    const auto refuse = [&](const auto& error, bool ends_run) {
      report_.error(subject, connection_problem(error, database, config_),
                    ends_run ? ExitCode::cannot_connect : ExitCode::run_failed);
    };
    std::optional<pg::Connection> connection;
    try {
      connection.emplace(reads_wal(streams) ? pg::primary_of(config_.server) : config_.server, database);
    } catch (const pg::DatabaseError& refused) {
      const bool any_log_based = std::ranges::any_of(streams, is_log_based);
      if (is_home || any_log_based || request_.catalog) {
        refuse(refused, is_home || any_log_based);
      } else {  // discovery skips it
        report_.warning(subject, connection_problem(refused, database, config_));
      }
      return true;
    } catch (const pg::ConnectError& refused) {
      refuse(refused, true);
      return has_connected_;
    } catch (const pg::TransientError& lost) {
      refuse(lost, true);
      return false;
    } catch (const Error& fault) {  // an error of the tunnel, which names its own fix
      report_.error(subject, fault.problem(), fault.code());
      return false;
    }
    report_.ok(subject, connection->description());
    report_.attempt(subject, [&] { check_database(*connection, database, streams); });
    return true;
  }

  /// Checks the standby to copy from. If the run copies nothing, its errors are only notes.
  void check_standby() {
    Streams copies;
    for (const sync::StreamPlan& stream : plan_) {
      if (!is_log_based(&stream) || sync::positions({&stream}, state_).empty()) {
        copies.push_back(&stream);
      }
    }
    const bool by_default =
        !request_.catalog && config_.default_replication_method == singer::ReplicationMethod::log_based;
    const bool for_snapshots = by_default || std::ranges::any_of(copies, is_log_based);
    const std::string database = copies.empty() ? config_.server.database() : copies.front()->database;
    const std::string subject = "connection to secondary_host";
    const pg::ConnectionSettings server = config_.copy_server();
    Report report;
    report.attempt(subject, [&] {
      try {
        pg::Connection connection(server, database);
        report.ok(subject, connection.description());
        check_secondary(connection, server, for_snapshots, report);
      } catch (const pg::ConnectError& refused) {
        throw Error(refused.code(), connection_problem(refused, database, config_));
      } catch (const pg::TransientError& lost) {
        throw Error(lost.code(), connection_problem(lost, database, config_));
      }
    });
    if (!copies.empty() || !request_.catalog) {
      report_.add(report);
    } else {
      report_.add_as_notes(report);
    }
  }

  void check_database(pg::Connection& connection, const std::string& database, const Streams& streams) {
    if (!std::exchange(has_connected_, true)) {
      check_server(connection, config_, report_);
    }
    const std::int64_t readable = check_hidden_tables(connection, config_, database, report_);
    readable_ += readable;
    readable_at_home_ += database == config_.server.database() ? readable : 0;

    Streams log_based;
    std::ranges::copy_if(streams, std::back_inserter(log_based), is_log_based);
    Report wal;
    std::set<pg::TableName> without_updates;
    if (reads_wal(streams) || !request_.catalog) {
      wal.attempt("WAL of database " + database, [&] {
        without_updates = check_wal(connection, config_, database, log_based, state_, wal);
      });
    }
    check_streams(connection, streams, without_updates, report_);
    if (reads_wal(streams)) {
      report_.add(wal);
    } else {
      report_.add_as_notes(wal);
    }
  }

  /// True if a run of these streams reads WAL.
  [[nodiscard]] bool reads_wal(const Streams& streams) const {
    return std::ranges::any_of(streams, is_log_based) ||
           (!request_.catalog && config_.default_replication_method == singer::ReplicationMethod::log_based);
  }

  static bool is_log_based(const sync::StreamPlan* stream) {
    return stream->method == singer::ReplicationMethod::log_based;
  }

  const Request& request_;
  Report report_;
  config::Config config_;
  singer::State state_;
  std::vector<sync::StreamPlan> plan_;
  std::map<std::string, Streams> by_database_;
  bool has_connected_ = false;
  std::int64_t readable_ = 0;  ///< tables
  std::int64_t readable_at_home_ = 0;
};

}  // namespace

std::vector<Finding> check(const Request& request) {
  return Checker(request).run();
}

}  // namespace tap::check
