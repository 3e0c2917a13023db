// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <tap/pg/connection.hpp>
#include <tap/pg/timeline.hpp>
#include <tap/pgtypes/lsn.hpp>

namespace tap::pg {

/// A logical replication slot (manual: System Views, pg_replication_slots). Columns that an older server does
/// not have are empty.
struct Slot {
  std::string name;
  std::string plugin;
  std::string database;
  bool active = false;
  std::string active_pid;
  std::string application;  ///< application_name of the session that reads it, if visible to the role
  Lsn confirmed_flush;      ///< the server sends no changes before it
  Lsn restart;              ///< the server keeps no WAL before it
  std::string wal_status;   ///< reserved, extended, unreserved, lost
  /// Why the server has invalidated it (17+): wal_removed, rows_removed, wal_level_insufficient,
  /// idle_timeout.
  std::string invalidation_reason;
  /// Lost on a standby (16+), also if it was for another reason than a conflict: 16 does not tell.
  bool is_conflicting = false;
  bool is_failover = false;   ///< a standby may copy it (17+)
  bool is_two_phase = false;  ///< sends prepared transactions before they are committed (14+)
  bool is_copy = false;       ///< of a slot of this standby's primary, unreadable until a promotion (17+)
  std::optional<std::chrono::seconds> idle;  ///< how long no session has read it (17+); nothing while active
  std::string safe_wal_size;                 ///< bytes of WAL until the slot may become lost
  std::optional<std::int64_t> retained;      ///< bytes of WAL that it keeps; nothing if it keeps none

  /// True if it can never be read again.
  [[nodiscard]] bool is_lost() const { return wal_status == "lost" || !invalidation_reason.empty(); }
};

/// Returns the cluster's logical slots in order of their names, or the one called `name`. Throws as
/// Connection::query() does.
std::vector<Slot> logical_slots(Connection& connection);
std::optional<Slot> find_slot(Connection& connection, const std::string& name);

/// A logical slot to create.
struct NewSlot {
  std::string name;
  std::string plugin;
  bool is_failover = false;  ///< a standby may copy it; needs ServerVersion::has_failover_slots()
};

/// SQL for the user that creates or drops a slot.
std::string create_slot_statement(const NewSlot& slot);
std::string drop_slot_statement(const std::string& name);

/// Create and drop a slot. Creating waits for all open transactions. Throw ServerError, TransientError.
void create_slot(Connection& connection, const NewSlot& slot);
void drop_slot(Connection& connection, const std::string& name);

/// What log-based replication depends on in the server's settings and the role.
struct DecodingStatus {
  ServerVersion version{0};
  std::string wal_level;
  bool has_logical_decoding = false;  ///< wal_level is logical, or replica from version 19 on
  std::string server_encoding;
  bool in_recovery = false;
  std::string role;
  bool is_rds = false;           ///< Amazon RDS or Aurora: other names of settings and privileges
  bool has_replication = false;  ///< superuser or REPLICATION; RDS grants the right differently
};
DecodingStatus decoding_status(Connection& connection);

/// Advances a slot, never backward; the server decodes what is in between, without the plugin. Needs
/// ServerVersion::can_advance_slots(). Throws ServerError, TransientError.
void advance_slot(Connection& connection, const std::string& name, Lsn lsn);

/// Returns the flushed end of WAL; on a standby, the replayed end. Throws ServerError on Aurora unless
/// wal_level is logical.
Lsn current_wal_lsn(Connection& connection);

/// Returns the end of the WAL that the server has written, flushed or not; on a standby, the replayed end.
/// The commits that other sessions see end at or before it, while an asynchronous one (synchronous_commit)
/// may end after current_wal_lsn(). Throws as that does.
Lsn inserted_wal_lsn(Connection& connection);

/// The end of the last WAL record before `position`, which is where the server would write the next record.
/// If that is the first of a page, it stands after the page header, while a standby that has replayed
/// everything reports the start of the page. `offset` is the byte offset of `position` in its WAL file,
/// `page_size` the setting wal_block_size in bytes.
Lsn without_page_header(Lsn position, std::uint64_t offset, std::uint64_t page_size);

/// Returns the output plugins that the server may load; nothing if it loads any. Throws ServerError if the
/// role may not read the setting.
std::optional<std::vector<std::string>> allowed_plugins(Connection& connection);

/// Opens and closes a replication connection. Throws DatabaseError if the role may not make one.
void try_replication(const ConnectionSettings& server, const std::string& database);

/// A snapshot of the database and its exact LSN: the snapshot contains all transactions committed before that
/// LSN, WAL after it contains all later ones. Other connections can use the snapshot while the object exists.
/// Uses a temporary replication slot, so one must be free.
class ExportedSnapshot {
 public:
  /// Waits for open transactions, at most `lock_timeout` for each. Throws as Connection::Connection() does;
  /// ServerError if no slot is free (SQLSTATE 53400) or a transaction takes too long (55P03).
  ExportedSnapshot(const ConnectionSettings& server, const std::string& database,
                   std::chrono::seconds lock_timeout);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] Lsn lsn() const { return lsn_; }
  [[nodiscard]] const Timeline& timeline() const { return timeline_; }
  /// False once the server has ended the session that keeps the snapshot.
  [[nodiscard]] bool is_alive() const { return connection_.is_open(); }

 private:
  Connection connection_;
  Timeline timeline_;
  std::string name_;
  Lsn lsn_;
};

}  // namespace tap::pg
