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

/// What concerns log-based replication.
struct LogSettings {
  std::string slot;                                              ///< empty: by the database's name
  bool create_slot = false;                                      ///< make it if it is missing
  std::string tap_id;                                            ///< pipelinewise's: part of the slot's name
  enum class Format { newest, v1, v2 } format = Format::newest;  ///< of wal2json's messages

  bool stop_at_end = true;                                ///< the run ends where the log ended when it began
  std::optional<std::chrono::duration<double>> max_run;   ///< or after so long
  std::optional<std::chrono::duration<double>> max_idle;  ///< or when nothing has come for so long

  bool fetch_unsent = true;  ///< TOAST columns that an update did not send are read from the table
  bool lsn_column = false;   ///< records have `_sdc_lsn`
  bool sequence = false;     ///< RECORDs have a growing `sequence`
};

/// A standby that copies are read from, so that the primary has less to do.
struct Secondary {
  bool used = false;
  std::string host;
  std::string port;  ///< empty: the primary's
};

/// What the user set. Plain values with their defaults: nothing below sees JSON, files or environment.
struct Config {
  pg::ConnectionSettings server;
  Secondary secondary;
  ssh::TunnelOptions tunnel;           ///< what server.tunnel is made of, if there is one
  std::optional<bool> tunnel_enabled;  ///< unset: if the config says anything of it

  std::vector<std::string> filter_dbs;      ///< discover only these; empty: all
  std::vector<std::string> filter_schemas;  ///< discover only these; empty: all
  value::EncodingOptions values;

  std::optional<singer::ReplicationMethod> default_replication_method;
  bool schema_in_stream_name = false;  ///< streams are called <schema>_<table>

  std::uint64_t limit = 0;              ///< rows of one incremental run, about; 0: no limit
  double replication_key_lookback = 0;  ///< re-read so much below the bookmark: seconds, or a number
  unsigned max_retries = 5;             ///< attempts in a row that do not advance

  LogSettings log;

  /// The server that rows are copied from.
  [[nodiscard]] pg::ConnectionSettings copy_server() const;

  std::chrono::duration<double> state_every_time{5};
  std::uint64_t state_every_rows = 100'000;
};

/// Reads the config files in order, later ones win key by key. The name `ENV` stands for the environment:
/// `TAP_POSTGRES_HOST` is the key `host`. An unknown key is a warning; anything wrong is an Error with
/// ExitCode::usage that names the file, the key and what was expected.
Config load(const std::vector<std::string>& sources);

}  // namespace tap::config
