// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <tap/base/log.hpp>
#include <tap/singer/replication_method.hpp>

namespace tap::cli {

/// What `tap-postgres slot` does.
enum class SlotAction { status, create, drop, acknowledge };

/// The command line, read once. Nothing below sees argv.
struct Options {
  std::vector<std::string> configs;
  bool discover = false;
  std::optional<std::string> catalog;
  std::optional<std::string> state;
  bool refresh_all = false;          ///< --full-refresh without a stream
  std::vector<std::string> refresh;  ///< --full-refresh STREAM

  log::Level log_level = log::Level::info;

  std::optional<SlotAction> slot;  ///< the command `slot`

  bool check = false;  ///< the command `check`, or --test
  bool about = false;  ///< --about
  bool json = false;   ///< what these two write is JSON

  std::vector<std::string> select;
  std::optional<singer::ReplicationMethod> replication_method;
  std::optional<std::string> replication_key;
};

/// Reads the command line. Nothing to do after it (`--help`, `--version` were answered on stdout): nothing.
/// Throws Error (ExitCode::usage).
std::optional<Options> parse(int argc, const char* const* argv);

}  // namespace tap::cli
