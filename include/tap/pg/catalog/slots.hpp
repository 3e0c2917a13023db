// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <tap/pg/connection.hpp>
#include <tap/pgtypes/lsn.hpp>

namespace tap::pg {

/// A logical replication slot (manual: System Views, pg_replication_slots). What older servers do not tell is
/// empty.
struct Slot {
  std::string name;
  std::string plugin;
  std::string database;
  bool active = false;
  std::string active_pid;
  std::string application;  ///< of who reads it, as far as we may see
  Lsn confirmed_flush;      ///< the log before it is not sent any more
  Lsn restart;              ///< the log before it is not kept any more
  std::string wal_status;   ///< reserved, extended, unreserved, lost
  /// Why the server has invalidated it (17+): wal_removed, rows_removed, wal_level_insufficient,
  /// idle_timeout.
  std::string invalidation_reason;
  std::optional<std::chrono::seconds> idle;  ///< how long no one has read it (17+); nothing while it is read
  std::string safe_wal_size;                 ///< bytes that may be written before it is at risk
  std::optional<std::int64_t> retained;      ///< bytes of log that it keeps; nothing if it keeps none

  /// It can never be read again.
  [[nodiscard]] bool is_lost() const { return wal_status == "lost" || !invalidation_reason.empty(); }
};

/// The cluster's logical slots by name, or the one of that name. Throws what Connection::query() does.
std::vector<Slot> logical_slots(Connection& connection);
std::optional<Slot> find_slot(Connection& connection, const std::string& name);

/// Throws ServerError. Creating one waits for the transactions that are open in the database.
void create_slot(Connection& connection, const std::string& name, const std::string& plugin);
void drop_slot(Connection& connection, const std::string& name);

/// What log-based replication needs to know of the server.
struct DecodingStatus {
  ServerVersion version{0};
  std::string wal_level;
  bool has_logical_decoding = false;  ///< wal_level is logical; from 19 on replica will do
  std::string server_encoding;
  bool in_recovery = false;
  std::string role;
  bool is_rds = false;           ///< Amazon's: its parameters have other names, so have its rights
  bool has_replication = false;  ///< the role's attribute, which is not the only way to the right
};
DecodingStatus decoding_status(Connection& connection);

/// Where the log ends now; on a standby, how far it is replayed. Aurora says so only if its wal_level is
/// logical: it throws ServerError.
Lsn current_wal_lsn(Connection& connection);

/// The plugins that the server may load; nothing if it loads any. Throws ServerError for a role that may not
/// read the setting.
std::optional<std::vector<std::string>> allowed_plugins(Connection& connection);

/// Throws DatabaseError if the role may not read the log at all. Costs a connection.
void try_replication(const ConnectionSettings& server, const std::string& database);

/// A snapshot of the database and the place in the log that it stands at, exactly: what was committed before
/// is in the snapshot, what was committed after is in the log from there. Other connections can use the
/// snapshot while this lives; it takes a temporary slot.
class ExportedSnapshot {
 public:
  /// Waits for transactions that are open, `patience` for each. Throws what Connection does; ServerError
  /// if no slot is free (SQLSTATE 53400) or a transaction takes too long (55P03).
  ExportedSnapshot(const ConnectionSettings& server, const std::string& database,
                   std::chrono::seconds patience);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] Lsn lsn() const { return lsn_; }

 private:
  Connection connection_;
  std::string name_;
  Lsn lsn_;
};

}  // namespace tap::pg
