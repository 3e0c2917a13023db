// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <tap/base/json.hpp>
#include <tap/change/decoder.hpp>
#include <tap/config/config.hpp>
#include <tap/pg/catalog/table_name.hpp>
#include <tap/pg/replication_stream.hpp>

#include "wal2json_options.hpp"

namespace tap::sync {

/// Where the WAL of a database is read. Determined before the run writes anything.
struct WalSource {
  std::string database;
  std::string slot;
  std::string plugin;                     ///< the slot's output plugin
  std::vector<std::string> publications;  ///< to read; empty for wal2json
  std::string server_encoding;
  bool is_standby = false;  ///< the server was a standby when the run began
  Lsn end;                  ///< where WAL ended when the run began
  /// By stream, for bookmarks that reach `end`: see record_publications().
  std::map<std::string, Json> records{};
  std::set<pg::TableName> without_updates{};  ///< see tables_without_updates(); for pgoutput
};

/// The output plugin of a slot: the options that a replication stream gives to it, and its decoder.
class OutputPlugin {
 public:
  /// `source` must outlive this object.
  OutputPlugin(const config::Config& config, const WalSource& source);

  [[nodiscard]] bool is_pgoutput() const;
  /// True if messages come in wal2json's format 1.
  [[nodiscard]] bool is_wal2json_1() const { return !is_pgoutput() && wal2json_.is_format_1(); }

  /// Requests values in binary format; for pgoutput of PostgreSQL 14 and later.
  void set_binary(bool is_binary) { is_binary_ = is_binary; }
  [[nodiscard]] bool is_binary() const { return is_binary_; }

  /// The options in the order of START_REPLICATION. `tables` is the value of wal2json's `add-tables`, empty
  /// for all tables; pgoutput sends the tables of its publications.
  [[nodiscard]] pg::ReplicationStream::Options build_options(const std::string& tables) const;
  /// See Wal2jsonOptions::leave_out_unsupported().
  bool leave_out_unsupported(const pg::ServerError& error);

  /// A decoder for the messages that the last options request.
  [[nodiscard]] std::unique_ptr<change::Decoder> make_decoder() const;

 private:
  const WalSource& source_;
  Wal2jsonOptions wal2json_;
  bool is_binary_ = false;
};

}  // namespace tap::sync
