// SPDX-License-Identifier: Apache-2.0
// What a connection does while no data arrives: a server may be busy for long, and a network may be dead
// without a word, also where TCP keepalives are answered by something in between.
#include <algorithm>
#include <optional>

#include <libpq-fe.h>
#include <spdlog/fmt/fmt.h>

#include <tap/base/log.hpp>
#include <tap/base/signals.hpp>
#include <tap/pg/connection.hpp>

#include "connect/password_file.hpp"

namespace tap::pg {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr seconds kLogInterval{10};
constexpr seconds kCallbackInterval{1};
constexpr seconds kProbeTimeout{10};
constexpr milliseconds kInFlightTime{2000};  // for data that the server has just sent

// The server waits for its client in wait events of the types Client and Activity (manual: The Cumulative
// Statistics System, Wait Event Types). Servers before version 9.6 report only waits for locks.
constexpr const char* kWaitEvents =
    "COALESCE(wait_event_type || ': ' || wait_event, '') AS waits_for, "
    "state LIKE 'idle%' OR COALESCE(wait_event_type, '') IN ('Client', 'Activity') AS waits_for_us";
constexpr const char* kWaiting =
    "CASE WHEN waiting THEN 'Lock' ELSE '' END AS waits_for, state LIKE 'idle%' AS waits_for_us";

// To be formatted with one of these. $1: the PID; $2: the start of the session or ''.
constexpr const char* kSession = R"sql(
SELECT state, {}
  FROM pg_catalog.pg_stat_activity
 WHERE pid = $1
   AND $2::text IN ('', pg_catalog.to_char(backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'))
)sql";

constexpr const char* kTerminate = R"sql(
SELECT pg_catalog.pg_terminate_backend(pid)
  FROM pg_catalog.pg_stat_activity
 WHERE pid = $1
   AND $2::text = pg_catalog.to_char(backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')
)sql";

}  // namespace

const char* const Connection::kSessionStart =
    "SELECT pg_catalog.to_char(backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') AS "
    "session_start "
    "FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid())";

bool Connection::has_input() const {
  return signals::wait_until_ready(PQsocket(connection_.get()), signals::Readiness::readable, kInFlightTime);
}

bool Connection::consume() const {
  const seconds silence_limit = is_probe_ ? kProbeTimeout : server_.silence;
  const auto started = Clock::now();
  auto next_log = started + kLogInterval;
  auto next_probe = started + silence_limit;
  const auto left = [&] {
    const auto earliest = silence_limit.count() > 0 ? std::min(next_log, next_probe) : next_log;
    const auto time = std::max(std::chrono::ceil<milliseconds>(earliest - Clock::now()), milliseconds{0});
    return while_waiting_ ? std::min(time, milliseconds(kCallbackInterval)) : time;
  };
  while (!signals::wait_until_ready(PQsocket(connection_.get()), signals::Readiness::readable, left())) {
    if (while_waiting_) {
      while_waiting_();
    }
    const auto now = Clock::now();
    const auto silent = std::chrono::round<seconds>(now - started);
    if (silence_limit.count() > 0 && now >= next_probe) {
      probe(silent);
      next_probe = Clock::now() + silence_limit;
      next_log = Clock::now() + kLogInterval;
    } else if (now >= next_log) {
      log::info("waiting for the server ({}) for {} s", description_, silent.count());
      next_log = now + kLogInterval;
    }
  }
  return PQconsumeInput(connection_.get()) != 0;
}

void Connection::probe(seconds silent) const {
  if (is_probe_) {
    throw_lost(fmt::format("no data arrived for {} s", silent.count()));
  }
  const SessionId session{PQbackendPID(connection_.get()), session_start_};
  if (const auto why =
          diagnose_stall(server_, database_, endpoint_, session, silent, [this] { return has_input(); })) {
    throw_lost(*why);
  }
}

std::optional<std::string> Connection::diagnose_stall(const ConnectionSettings& server,
                                                      const std::string& database, const Endpoint& endpoint,
                                                      const SessionId& session, seconds silent,
                                                      const std::function<bool()>& has_input) {
  const std::string since = fmt::format("no data arrived for {} s", silent.count());
  ConnectionSettings plain = without_unsafe_password_file(server, false);  // only the owner's thread may log
  plain.keywords.erase("replication");
  std::optional<Connection> probe;
  std::optional<Result> found;
  const std::vector<std::string> parameters = {std::to_string(session.pid), session.start};
  try {
    probe.emplace(plain, database);
    probe->is_probe_ = true;
    const Result own = probe->query("SELECT pg_catalog.pg_backend_pid() AS pid");
    if (own.first().number("pid") != PQbackendPID(probe->connection_.get()) || probe->endpoint_ != endpoint) {
      return std::nullopt;  // a pooler or another host: reachable, but it does not know this session
    }
    found = probe->query(fmt::format(kSession, probe->version().has_wait_events() ? kWaitEvents : kWaiting),
                         parameters);
  } catch (const TransientError& error) {
    if (!error.sqlstate().empty()) {
      return std::nullopt;  // reachable: for example too many connections
    }
    return fmt::format("{}, and a second connection failed: {}", since, error.what());
  } catch (const Error& error) {
    log::debug("{}, and a second connection failed: {}", since, error.what());
    return std::nullopt;
  }
  if (found->is_empty()) {
    return since + ", and the server no longer has this session";
  }
  const Row row = found->first();
  const std::string waits_for = row.text("waits_for");
  if (!row.flag("waits_for_us")) {
    log::info("{} from the server ({}), which is busy{}{}", since, probe->description(),
              waits_for.empty() ? "" : ", waiting for ", waits_for);
    return std::nullopt;
  }
  if (has_input()) {
    return std::nullopt;
  }
  try {  // else it keeps its locks and its slot
    probe->query(kTerminate, parameters);
  } catch (const Error& error) {
    log::warn(
        "cannot terminate the session of PID {}, which keeps its locks and its slot until the server "
        "notices that the connection is dead: {}",
        session.pid, error.what());
  }
  return fmt::format("{}, and the server waits for this client, too ({}): the network drops data", since,
                     waits_for.empty() ? row.text("state") : waits_for);
}

}  // namespace tap::pg
