// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <tap/config/config.hpp>
#include <tap/pg/catalog/slots.hpp>
#include <tap/pg/connection.hpp>
#include <tap/singer/state.hpp>
#include <tap/sync/plan.hpp>

#include "report.hpp"

namespace tap::check {

/// What to do about a server or database that cannot be entered: a pg::ConnectError or pg::TransientError.
Problem cannot_enter(const Error& refusal, const std::string& database, const config::Config& config);

/// Who can read what goes over a connection to `server`.
void check_protection(const pg::Connection& connection, const pg::ConnectionSettings& server,
                      const std::string& subject, Report& report);

/// How long a standby lets queries keep it from replaying.
void check_delays(pg::Connection& connection, const pg::DecodingStatus& status, const std::string& subject,
                  Report& report);

/// The standby that copies come from, if the config has one; `for_first_copies`: of log-based streams, too.
void check_secondary(pg::Connection& connection, const pg::ConnectionSettings& server, bool for_first_copies,
                     Report& report);

/// Version, kind of server, TLS, clock, standby, and the settings that would cut a run.
void check_server(pg::Connection& connection, const config::Config& config, Report& report);

/// What the user may not read in a database. Returns how many tables can be read.
std::int64_t check_hidden_tables(pg::Connection& connection, const config::Config& config,
                                 const std::string& database, Report& report);

/// The selected streams of a database: tables, columns, privileges, keys, what the log has of them.
void check_streams(pg::Connection& connection, const std::vector<const sync::StreamPlan*>& streams,
                   Report& report);

/// All that reading a database's log takes. `streams` are the log-based ones.
void check_log(pg::Connection& connection, const config::Config& config, const std::string& database,
               const std::vector<const sync::StreamPlan*>& streams, singer::State& state, Report& report);

}  // namespace tap::check
