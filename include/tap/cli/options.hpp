// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <tap/base/log.hpp>
#include <tap/config/dotenv.hpp>
#include <tap/discovery/selection.hpp>
#include <tap/sync/parts/part.hpp>
#include <tap/sync/plan.hpp>
#include <tap/sync/slots/commands.hpp>

namespace tap::cli {

/// What the process does.
enum class Command { sync, discover, check, slot, split, merge_states, about };

/// The format of what check and --about write.
enum class Format { text, json, markdown };

/// The parsed command line.
struct Options {
  Command command = Command::sync;
  std::vector<std::string> configs;  ///< files, or `ENV` for the environment
  config::Dotenv dotenv;             ///< with `ENV`: the file `.env`, whose variables are set; to be reported
  std::optional<std::string> catalog;
  std::optional<std::string> state;
  sync::FullRefresh refresh;
  discovery::Selection selection;        ///< options of --discover
  std::optional<sync::SlotAction> slot;  ///< set for Command::slot
  std::optional<sync::Part> part;        ///< Command::sync: sync only the streams of this part
  std::optional<std::string> summary;    ///< Command::sync: file of the summary
  std::size_t parts = 0;                 ///< Command::split: how many
  std::string folder;                    ///< Command::split: where they are written
  std::vector<std::string> states;       ///< Command::merge_states: files
  std::optional<std::string> base;       ///< Command::merge_states: the state that the runs were given
  Format format = Format::text;          ///< of check and --about
  log::Level log_level = log::Level::info;
};

/// Parses the command line. Returns std::nullopt if it was answered on stdout (`--help`, `--version`). Throws
/// Error (ExitCode::usage).
std::optional<Options> parse(int argc, const char* const* argv);

}  // namespace tap::cli
