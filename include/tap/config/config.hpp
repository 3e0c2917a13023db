// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <tap/pg/connection_settings.hpp>
#include <tap/singer/replication_method.hpp>
#include <tap/ssh/tunnel.hpp>
#include <tap/value/options.hpp>

namespace tap::config {

/// Settings of log-based replication.
struct LogSettings {
  std::string slot;            ///< empty: named after the database
  bool create_slot = false;    ///< create it if it is missing
  bool failover_slot = false;  ///< create it as a failover slot (17+)
  std::string tap_id;          ///< PipelineWise: part of the slot's name
  /// automatic: the plugin of the slot, pgoutput for a new one
  enum class Plugin { automatic, pgoutput, wal2json } plugin = Plugin::automatic;
  enum class Format { newest, v1, v2 } format = Format::newest;  ///< wal2json's format-version

  std::vector<std::string> publications = {"tap_postgres"};  ///< of pgoutput; tables are added to the first
  std::optional<bool> create_publication;                    ///< unset: as create_slot
  /// True if the tap creates the publications and adds selected tables to them.
  [[nodiscard]] bool creates_publication() const { return create_publication.value_or(create_slot); }

  bool stop_at_end = true;  ///< stop at the end of WAL as of the start of the run
  std::optional<std::chrono::duration<double>> max_run;   ///< time limit of a run
  std::optional<std::chrono::duration<double>> max_idle;  ///< stop after this time without a change

  bool fetch_unchanged_toast = true;  ///< read unchanged TOAST columns from the table
  bool lsn_column = false;            ///< add `_sdc_lsn` to records
  bool sequence = false;              ///< add an increasing `sequence` to RECORDs
};

/// A standby to copy tables from.
struct Secondary {
  bool used = false;
  std::string host;
  std::string port;  ///< empty: the primary's
};

/// The conditions that the rows of one stream must meet.
struct RowFilter {
  std::string stream;  ///< as the user wrote it: schema.table, schema-table or a tap_stream_id
  std::vector<std::string> conditions;  ///< SQL
  std::string place;                    ///< file and key, for messages
};

/// The settings as plain values with their defaults.
struct Config {
  pg::ConnectionSettings server;
  Secondary secondary;
  ssh::TunnelOptions tunnel;           ///< options of server.tunnel
  std::optional<bool> tunnel_enabled;  ///< unset: true if the config has ssh_tunnel keys

  std::vector<std::string> filter_dbs;      ///< discover only these; empty: all
  std::vector<std::string> filter_schemas;  ///< discover only these; empty: all
  value::EncodingOptions values;

  std::optional<singer::ReplicationMethod> default_replication_method;
  bool schema_in_stream_name = false;  ///< name streams <schema>_<table>

  std::vector<RowFilter> where;

  unsigned parallel = 1;  ///< connections that copy tables

  std::uint64_t limit = 0;              ///< maximum rows of an incremental run, without ties; 0: no limit
  double replication_key_lookback = 0;  ///< read again this far below the bookmark: seconds, or a number
  unsigned max_retries = 5;             ///< attempts since the bookmark advanced

  LogSettings log;

  /// The server to copy tables from: the standby if there is one.
  [[nodiscard]] pg::ConnectionSettings copy_server() const;

  std::chrono::duration<double> state_every_time{5};
  std::uint64_t state_every_rows = 100'000;

  bool emit_activate_version = true;
};

/// Reads config files in order; later files override earlier ones key by key, whichever name of a key they
/// use. The name `ENV` stands for the environment, with the variables of the file `.env`: `TAP_POSTGRES_HOST`
/// is the key `host`. An unknown key is a warning. Throws Error (ExitCode::usage) that names the file, the
/// key and the expected value.
Config load(const std::vector<std::string>& sources);

}  // namespace tap::config
