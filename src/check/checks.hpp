// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <tap/config/config.hpp>
#include <tap/pg/catalog/slots.hpp>
#include <tap/pg/catalog/table_name.hpp>
#include <tap/pg/connection.hpp>
#include <tap/singer/state.hpp>
#include <tap/sync/plan.hpp>

#include "report.hpp"

namespace tap::check {

/// The problem of a failed connection. `found` is the error's text, `sqlstate` the server's, or empty if the
/// server did not answer.
Problem connection_problem(const std::string& found, const std::string& sqlstate, const std::string& database,
                           const config::Config& config);

/// The same from the error: a pg::ConnectError or a pg::TransientError.
template <class ConnectionError>
Problem connection_problem(const ConnectionError& error, const std::string& database,
                           const config::Config& config) {
  return connection_problem(error.problem().found, error.sqlstate(), database, config);
}

/// Checks the encryption of a connection to `server`.
void check_protection(const pg::Connection& connection, const pg::ConnectionSettings& server,
                      const std::string& subject, Report& report);

/// Checks how long a standby delays replay for a query.
void check_replay_delay(pg::Connection& connection, const pg::DecodingStatus& status,
                        const std::string& subject, Report& report);

/// Checks whether a slot on this standby may be invalidated by what its primary does.
void check_standby_slot(pg::Connection& connection, const pg::DecodingStatus& status, Report& report);

/// Checks the standby to copy tables from. `for_snapshots`: initial snapshots of log-based streams as well.
void check_secondary(pg::Connection& connection, const pg::ConnectionSettings& server, bool for_snapshots,
                     Report& report);

/// Checks version, kind of server, TLS, clock, standby, and time-outs that would interrupt a run.
void check_server(pg::Connection& connection, const config::Config& config, Report& report);

/// Reports tables that the role cannot read. Returns the number of readable tables.
std::int64_t check_hidden_tables(pg::Connection& connection, const config::Config& config,
                                 const std::string& database, Report& report);

/// Checks the selected streams of a database: tables, columns, privileges, keys, replica identity.
/// `without_updates`: what check_wal() returned.
void check_streams(pg::Connection& connection, const std::vector<const sync::StreamPlan*>& streams,
                   const std::set<pg::TableName>& without_updates, Report& report);

/// Checks the publications if there is a slot of pgoutput, or a run would create one. `streams` as below.
/// Returns sync::tables_without_updates() of the findings.
std::set<pg::TableName> check_publications(pg::Connection& connection, const config::Config& config,
                                           const std::string& database,
                                           const std::vector<const sync::StreamPlan*>& streams,
                                           singer::State& state, Report& report);

/// Checks everything that reading WAL requires. `streams` are the log-based streams of the database. Returns
/// what check_publications() does.
std::set<pg::TableName> check_wal(pg::Connection& connection, const config::Config& config,
                                  const std::string& database,
                                  const std::vector<const sync::StreamPlan*>& streams, singer::State& state,
                                  Report& report);

/// Checks what a failover needs, if `failover_slot` is set. `slot`: the slot to read, if it exists.
void check_failover(pg::Connection& connection, const config::Config& config,
                    const pg::DecodingStatus& status, const std::optional<pg::Slot>& slot, Report& report);

}  // namespace tap::check
