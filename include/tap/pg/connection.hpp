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
#include <utility>
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

/// A libpq connection to one database, for what libpqxx cannot do: binary COPY, logical replication, and
/// transactions whose snapshot must not be lost to a silent reconnection. To be used by one thread at a time.
/// Every function that waits throws Interrupted when a signal requests a stop.
class Connection {
 public:
  /// Connects to the first of the configured hosts that accepts the login. Throws with
  /// ExitCode::cannot_connect and the server's message: TransientError if another attempt may succeed, else
  /// DatabaseError or ConnectError.
  Connection(const ConnectionSettings& server, const std::string& database);

  /// Runs statements that return no rows. Throws ServerError, TransientError.
  void execute(const std::string& sql);
  /// Runs one statement on the catalog; `parameters` are bound to $1, $2, ... as text. A transaction must
  /// have pinned its settings; outside a transaction this pins them. Throws ServerError, TransientError.
  Result query(const std::string& sql, const std::vector<std::string>& parameters = {});
  /// Runs one statement with the simple query protocol, as the commands of a replication connection require.
  /// Does not pin the settings. Throws ServerError, TransientError.
  Result simple_query(const std::string& sql);
  /// Reads a user's table or view with the search path kTablePath (session_settings.hpp): `sql` must qualify
  /// every name. Throws ServerError, TransientError.
  Result read_table(const std::string& sql);
  /// A column of a query's result.
  struct ResultColumn {
    Oid type = 0;    ///< a domain's base type
    Oid table = 0;   ///< 0 unless it is a table's column
    int number = 0;  ///< its attnum, with `table`
  };
  /// Runs a query as read_table() does, to keep its locks until the transaction ends, and then `next`, a
  /// statement on the catalog, in one round trip. Returns the query's columns and the rows of `next`. Unless
  /// it `waits`, the query fails if it does not get a lock at once. Throws ServerError, TransientError.
  std::pair<std::vector<ResultColumn>, Result> lock_and_query(const std::string& sql, bool waits,
                                                              const std::string& next);
  [[nodiscard]] bool is_in_transaction() const;

  /// False once the server has closed the connection, as at a shutdown or by pg_terminate_backend(). For an
  /// idle connection; does not wait.
  [[nodiscard]] bool is_open() const noexcept;
  /// Throws TransientError if the connection is not open.
  void require_open() const;

  /// Approximate bytes that libpq keeps allocated while the connection exists: the size of the largest
  /// message from the server. Only a new connection frees them.
  [[nodiscard]] std::size_t retained_memory() const { return largest_message_; }
  /// Retained memory in bytes above which a caller that can should make a new connection.
  static constexpr std::size_t kMostRetained = std::size_t{4} << 20U;

  /// Sets a callback that runs each second while a function waits for the server.
  void while_waiting(std::function<void()> action) { while_waiting_ = std::move(action); }

  /// Runs `before`, then pins the settings of the session (session_settings.hpp), in one round trip. The
  /// first call also reads when the session began. Throws ServerError, TransientError.
  void pin_settings(bool local, const std::string& before = "");
  /// Pins the settings of a session that is used outside transactions, unless a pooler shares it.
  void pin_session();

  /// How the session is protected: `TLSv1.3, TLS_AES_256_GCM_SHA384`, `by GSSAPI`, `not encrypted`,
  /// `by a Unix socket`.
  [[nodiscard]] std::string protection() const;

  [[nodiscard]] ServerVersion version() const;

  /// For messages: host, port, database and user.
  [[nodiscard]] const std::string& description() const { return description_; }

  /// The settings without the hosts that did not answer.
  [[nodiscard]] const ConnectionSettings& working_settings() const { return working_settings_; }

  /// Identifies a session on the server. After a failover the same PID may be another role's session, so the
  /// start is needed, too.
  struct SessionId {
    int pid = 0;
    std::string start{};  ///< the result of kSessionStart; empty if it was never read
  };
  /// SQL for the start of the session that runs it, as text that does not depend on the session's settings.
  static const char* const kSessionStart;

  /// Hands the open connection over to the caller, who must close it with PQfinish(). This object must not be
  /// used afterwards.
  [[nodiscard]] pg_conn* release();

  /// Makes a second connection to find out why `session`, on the host `endpoint`, has sent nothing for
  /// `silent` although an answer is due. Returns the reason if the session is dead: the server cannot be
  /// reached, has no such session, or waits for this client while the client waits for it, because the
  /// network drops data. Returns nothing if the session may be alive. `has_input` must return whether data
  /// has arrived in the meantime or arrives within about two seconds. Terminates a session that waits for
  /// this client if its start is known.
  static std::optional<std::string> diagnose_stall(const ConnectionSettings& server,
                                                   const std::string& database, const Endpoint& endpoint,
                                                   const SessionId& session, std::chrono::seconds silent,
                                                   const std::function<bool()>& has_input);

 private:
  friend class CopyReader;
  friend class ReplicationStream;

  struct Closer {
    void operator()(pg_conn* connection) const;
  };

  using PgResult = std::unique_ptr<pg_result, void (*)(pg_result*)>;

  static void log_notice(void* context, const pg_result* notice);

  void note_message_size(std::size_t size) { largest_message_ = std::max(largest_message_, size); }
  void send(const std::string& sql);
  /// Sends a statement that reads a table, between two that set the search path: its result is the second of
  /// three.
  void send_table_query(const std::string& sql);
  /// Returns the result of the statement that send_table_query() sent.
  PgResult receive_table_rows();
  /// Returns the rows of the statement that send() sent.
  Result receive_rows();
  Result to_result(std::shared_ptr<pg_result> result);

  /// True if a pooler may run each statement outside a transaction in another session. If not, the session
  /// has the search path kCatalogPath, the isolation level READ COMMITTED and the configured timeouts from
  /// the first call on, since no query may run without them.
  bool is_pooled();
  /// Runs `statement` with the settings pinned, also behind a pooler.
  template <class Statement>
  auto in_pinned_session(Statement statement);

  /// Returns false if the host at endpoint_ has not answered within `timeout` (0: no limit) or cannot be
  /// reached through the tunnel: the caller must try the other hosts. libpq does not do so, since it enforces
  /// no timeout on non-blocking connections and sees only the open local end of the tunnel.
  bool connect(const ConnectionSettings& server, const std::string& database, std::chrono::seconds timeout);

  /// Waits for the last result of what was sent, or the first one of a COPY.
  PgResult receive() const;
  /// Waits for data from the server and reads it; probes a server that sends nothing for long. Returns false
  /// if the connection was closed: the next result contains the reason.
  bool consume() const;
  /// Throws TransientError if diagnose_stall() finds that the session is dead.
  void probe(std::chrono::seconds silent) const;
  /// True if data has arrived or arrives within about two seconds.
  [[nodiscard]] bool has_input() const;
  /// Throws ServerError or TransientError unless the status of `result` is `expected` (an ExecStatusType).
  void check(const pg_result* result, int expected) const;
  /// Throws the TransientError of a lost connection. The failure of the tunnel, if any, replaces `why`.
  [[noreturn]] void throw_lost(const std::string& why) const;
  /// The tunnel's failure for the host at endpoint_; nothing without a tunnel or a failure.
  [[nodiscard]] std::optional<ssh::Tunnel::Failure> tunnel_failure() const;

  std::string description_;
  ConnectionSettings server_;  ///< holds the tunnel, which must outlive the connection
  ConnectionSettings working_settings_;
  std::string database_;
  bool is_probe_ = false;
  std::optional<bool> is_pooled_;  ///< unset: not determined yet
  std::function<void()> while_waiting_;
  std::string session_start_;  ///< see SessionId
  Endpoint endpoint_;          ///< the host that libpq uses, as named in the config
  std::unique_ptr<pg_conn, Closer> connection_;
  std::size_t largest_message_ = 0;
};

}  // namespace tap::pg
