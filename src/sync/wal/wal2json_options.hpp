// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <tap/change/decoder.hpp>
#include <tap/config/config.hpp>
#include <tap/pg/replication_stream.hpp>

namespace tap::sync {

/// The options that a replication stream gives to wal2json, without those that the server's wal2json does not
/// support.
class Wal2jsonOptions {
 public:
  explicit Wal2jsonOptions(const config::Config& config);

  /// The options in the order of START_REPLICATION. `tables` is the value of `add-tables`; empty for all
  /// tables.
  [[nodiscard]] pg::ReplicationStream::Options build(const std::string& tables) const;

  /// If `error` says that wal2json does not support an option, and the option can be left out, later calls of
  /// build() leave it out: warns what that means and returns true.
  bool leave_out_unsupported(const pg::ServerError& error);

  /// True if messages come in format 1, by the config or because wal2json does not support format 2.
  [[nodiscard]] bool is_format_1() const { return is_format_1_; }
  /// The decoder for messages with these options. `server_encoding` is the database's.
  [[nodiscard]] std::unique_ptr<change::Decoder> make_decoder(std::string_view server_encoding) const;

 private:
  bool is_format_1_;
  bool numbers_as_text_;  ///< so that NaN and infinities of numeric and float arrive
  std::vector<std::string> unsupported_;
};

}  // namespace tap::sync
