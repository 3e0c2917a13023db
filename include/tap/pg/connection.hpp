// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tap/base/endpoint.hpp>
#include <tap/pg/connection_settings.hpp>
#include <tap/pg/errors.hpp>
#include <tap/pg/result.hpp>
#include <tap/pg/server_version.hpp>
#include <tap/ssh/tunnel.hpp>

struct pg_conn;    // libpq's PGconn
struct pg_result;  // libpq's PGresult

namespace tap::pg {

/// A connection to one database, for what libpqxx cannot do: COPY in binary, and transactions whose snapshot
/// must not be lost to a silent reconnection.
class Connection {
 public:
  /// Connects, to the first of several hosts that takes us. Throws with ExitCode::cannot_connect and the
  /// server's words: TransientError if a later try may go well, else DatabaseError or ConnectError. Here and
  /// below, whatever waits throws Interrupted when a signal asks for it.
  Connection(const ConnectionSettings& server, const std::string& database);

  /// Runs statements without an answer.
  void execute(const std::string& sql);
  /// Runs one statement on the catalog; `parameters` are bound to $1, $2, ... as text. A transaction must
  /// have pinned its settings; outside of one they are pinned here. Both throw ServerError, TransientError.
  Result query(const std::string& sql, const std::vector<std::string>& parameters = {});
  /// The same for what only the simple protocol takes: the commands of a replication connection.
  Result simple_query(const std::string& sql);
  /// Reads a table or view of the user's with kTablePath (tap/pg/settings.hpp): `sql` names everything in
  /// full.
  Result read_table(const std::string& sql);
  /// The types of a query's columns, as the server takes it now: domains are their base types. Throws as the
  /// others do.
  std::vector<Oid> column_types(const std::string& sql);

  /// False once the server has closed it: it shuts down, or somebody has ended us. For a connection that has
  /// nothing to do; does not wait.
  [[nodiscard]] bool is_open() const noexcept;
  /// Throws TransientError if it is not.
  void require_open() const;

  /// Bytes that libpq keeps allocated for the connection's life, about: as many as the largest message from
  /// the server had. Only a new connection gives them back.
  [[nodiscard]] std::size_t retained_memory() const { return largest_message_; }
  /// Retained memory that is worth a new connection where one can be made.
  static constexpr std::size_t kMostRetained = std::size_t{4} << 20U;

  /// Something to be done each second while the server lets us wait.
  void while_waiting(std::function<void()> action) { while_waiting_ = std::move(action); }

  /// Runs `before`, then pins this session's settings (see tap/pg/settings.hpp): in one round trip, which
  /// also asks when the session began. Throws what execute() does.
  void pin_settings(bool local, const std::string& before = "");
  /// Pins the settings of a session that is used outside of transactions.
  void pin_session();

  /// How the session is protected: `TLSv1.3, TLS_AES_256_GCM_SHA384`, `by GSSAPI`, `not encrypted`,
  /// `by a Unix socket`.
  [[nodiscard]] std::string protection() const;

  [[nodiscard]] ServerVersion version() const;

  /// For messages: host, port, database and user.
  [[nodiscard]] const std::string& description() const { return description_; }

  /// The server without those of its hosts that have not answered.
  [[nodiscard]] const ConnectionSettings& answering() const { return answering_; }

  /// A session on the server. After a failover the same process number can be another role's session there,
  /// so that only both together name one.
  struct SessionId {
    int pid = 0;
    std::string start{};  ///< as kSessionStart gives it; empty if it was never asked for
  };
  /// SQL for the start of the session that runs it, as text that does not depend on the session's settings.
  static const char* const kSessionStart;

  /// Hands the connection over, open as it is, to be closed by PQfinish(); this object must not be used
  /// afterwards.
  [[nodiscard]] pg_conn* release();

  /// What another connection finds out about `session`, at `place`, of which nothing has come for `silent`
  /// though it owes us something: why it is dead, if it cannot be reached, has no such session, or waits for
  /// us while we wait for it, when the network between swallows what is sent; nothing if it may be alive.
  /// `has_input` tells whether something has come meanwhile, or comes very soon. A session that waits for us
  /// is terminated, if it is certain to be ours.
  static std::optional<std::string> diagnose_stall(const ConnectionSettings& server,
                                                   const std::string& database, const Endpoint& place,
                                                   const SessionId& session, std::chrono::seconds silent,
                                                   const std::function<bool()>& has_input);

 private:
  friend class CopyReader;
  friend class ReplicationStream;

  struct Close {
    void operator()(pg_conn* connection) const;
  };

  using PgResult = std::unique_ptr<pg_result, void (*)(pg_result*)>;

  void note_message(std::size_t size) { largest_message_ = std::max(largest_message_, size); }
  void send(const std::string& sql);
  /// Sends a statement that reads a table, between two that set the search path; the server's answer to it
  /// comes second.
  void send_reading(const std::string& sql);
  /// Its rows.
  PgResult receive_reading();
  /// The rows of what was sent.
  Result receive_rows();
  Result rows_of(std::shared_ptr<pg_result> result);

  /// True if statements outside of a transaction may each run in another session of a pooler's. If not, the
  /// session has our search path from then on.
  bool is_pooled();
  /// Runs `statement` with our settings pinned, wherever it runs.
  template <class Statement>
  auto in_pinned_session(Statement statement);

  /// False if one of the hosts, which place_ is then, has not answered within `timeout` (0: for ever), or is
  /// not to be reached through the tunnel. libpq leaves the first to those who do not want to be blocked
  /// meanwhile, and takes the second for a connection; so going on with the other hosts is left to the
  /// caller.
  bool connect(const ConnectionSettings& server, const std::string& database, std::chrono::seconds timeout);

  /// The last result of what was sent; a COPY's first one.
  PgResult receive() const;
  /// Waits for more from the server, and takes it in. False: it closed the connection; the next result says
  /// why. Minds silence.
  bool consume() const;
  /// Throws TransientError if diagnose_stall() knows why.
  void probe(std::chrono::seconds silent) const;
  /// Something has come, or comes very soon.
  [[nodiscard]] bool has_input() const;
  /// Throws ServerError or TransientError for a result that is not what was `expected` (ExecStatusType).
  void check(const pg_result* result, int expected) const;
  /// `why` as far as the connection itself knows.
  [[noreturn]] void lost(const std::string& why) const;
  /// What the tunnel has to do with it that nothing comes from the server.
  [[nodiscard]] std::optional<ssh::Tunnel::Failure> tunnel_failure() const;

  std::string description_;
  ConnectionSettings server_;  ///< has the tunnel, which must outlive the connection
  ConnectionSettings answering_;
  std::string database_;
  bool asks_after_another_ = false;
  std::optional<bool> is_pooled_;  ///< unset: not determined yet
  std::function<void()> while_waiting_;
  std::string session_start_;  ///< see SessionId
  Endpoint place_;             ///< the one of the hosts that libpq is at, as the config names it
  std::unique_ptr<pg_conn, Close> connection_;
  std::size_t largest_message_ = 0;
};

}  // namespace tap::pg
