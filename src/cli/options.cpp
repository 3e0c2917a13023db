// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <iterator>
#include <map>
#include <sstream>
#include <string>
#include <utility>

#include <CLI/CLI.hpp>
#include <spdlog/fmt/fmt.h>

#include <tap/base/error.hpp>
#include <tap/base/output.hpp>
#include <tap/cli/options.hpp>

#include "manual.hpp"

namespace tap::cli {

namespace {

std::vector<std::string> replication_method_names() {
  std::vector<std::string> names;
  for (const auto& [name, method] : singer::kReplicationMethods) {
    names.emplace_back(name);
  }
  return names;
}

/// A long option may be cut short as far as it stays unmistakable: the Python taps' command line allows it.
std::string complete(const CLI::App& app, const std::string& argument) {
  const auto end = std::min(argument.find('='), argument.size());
  if (argument.size() < 3 || argument.compare(0, 2, "--") != 0) {
    return argument;
  }
  const std::string word = argument.substr(2, end - 2);
  std::vector<std::string> meant;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      if (name == word) {
        return argument;
      }
      if (name.compare(0, word.size(), word) == 0) {
        meant.push_back(name);
      }
    }
  }
  return meant.size() == 1 ? "--" + meant.front() + argument.substr(end) : argument;
}

/// Whether the log is to be JSON, also that of a command line that is wrong. Arguments come from the back.
bool wants_json_log(const std::vector<std::string>& arguments) {
  const std::string option = "--log-format";
  const auto named = std::ranges::find(arguments, option);
  return std::ranges::find(arguments, option + "=json") != arguments.end() ||
         (named != arguments.end() && named != arguments.begin() && *std::prev(named) == "json");
}

}  // namespace

std::optional<Options> parse(int argc, const char* const* argv) {
  Options options;
  std::optional<std::string> properties;
  CLI::App app{
      "Singer tap for PostgreSQL: discovers tables and writes SCHEMA, RECORD and STATE lines to stdout.",
      "tap-postgres"};
  app.set_version_flag("--version", "tap-postgres " TAP_VERSION);
  app.add_option("-c,--config", options.configs,
                 "Config file (JSON); ENV reads TAP_POSTGRES_*. Later ones win")
      ->type_name("FILE")
      ->allow_extra_args(false);
  app.add_flag("-d,--discover", options.discover, "Write the catalog of the server's tables to stdout");
  app.add_option("--catalog", options.catalog,
                 "Catalog with the streams to sync; with --discover: keep what it selects")
      ->type_name("FILE");
  app.add_option("-p,--properties", properties, "Old name of --catalog")->type_name("FILE");
  app.add_option("-s,--state", options.state, "State to go on from")->type_name("FILE");
  auto* const refresh = app.add_option_function<std::vector<std::string>>(
      "--full-refresh",
      [&](const std::vector<std::string>& streams) {
        for (const std::string& stream : streams) {
          (stream.empty() ? options.refresh_all = true : (options.refresh.push_back(stream), true));
        }
      },
      "Forget the bookmark of this stream, or of all: sync it anew");
  refresh->expected(0, 1)->type_name("[STREAM]")->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  auto* const select =
      app.add_option(
             "--select", options.select,
             "With --discover: select schema.table or schema.table.column (globs; ! in front excludes)")
          ->type_name("PATTERN")
          ->allow_extra_args(false);
  auto* const method =
      app.add_option_function<std::string>(
             "--replication-method",
             [&](const std::string& name) { options.replication_method = singer::find_method(name); },
             "With --discover: method of the selected streams")
          ->check(CLI::IsMember(replication_method_names()))
          ->type_name("METHOD");
  auto* const key = app.add_option("--replication-key", options.replication_key,
                                   "With --discover: replication key of the selected streams")
                        ->type_name("COLUMN");

  const std::map<std::string, log::Level> levels = {{"debug", log::Level::debug},
                                                    {"info", log::Level::info},
                                                    {"warning", log::Level::warning},
                                                    {"error", log::Level::error}};
  app.add_option("--log-level", options.log_level, "Least that is logged")
      ->transform(CLI::CheckedTransformer(levels, CLI::ignore_case).description("{debug,info,warning,error}"))
      ->type_name("LEVEL");
  app.add_flag_callback(
      "-v,--verbose", [&] { options.log_level = log::Level::debug; }, "--log-level debug");
  app.add_flag_callback(
      "-q,--quiet", [&] { options.log_level = log::Level::warning; }, "--log-level warning");
  std::string log_format = "text";
  app.add_option("--log-format", log_format, "Lines of the log")
      ->check(CLI::IsMember({"text", "json"}))
      ->type_name("FORMAT");
  app.add_flag("--about", options.about, "Write what the tap can do, and every key of the config, to stdout");
  bool manual_page = false;
  bool completion = false;
  app.add_flag("--man", manual_page)->group("");  // for the build, which installs them
  app.add_flag("--bash-completion", completion)->group("");
  std::string form = "text";
  app.add_flag("--test", options.check, "The same as the command check");
  auto* const format = app.add_option("--format", form, "Of check and --about")
                           ->check(CLI::IsMember({"text", "json"}))
                           ->type_name("FORMAT");
  app.add_subcommand("check", "Look at everything that a run needs, and say what to do about what is missing")
      ->fallthrough()
      ->callback([&options] { options.check = true; });

  auto* const slot = app.add_subcommand("slot", "Look after the replication slots of the config's database");
  slot->fallthrough();
  constexpr std::pair<const char*, const char*> actions[] = {
      {"status", "Write the database's slots to stdout: who reads them, what they keep"},
      {"create", "Make the slot that log-based streams will read"},
      {"drop", "Drop it: the server keeps no more log for it"},
      {"ack", "Tell the server that the target has what --state says, so that it frees its log now"}};
  slot->require_subcommand(1);
  for (std::size_t i = 0; i < std::size(actions); ++i) {
    slot->add_subcommand(actions[i].first, actions[i].second)->fallthrough()->callback([&options, i] {
      options.slot = static_cast<SlotAction>(i);
    });
  }

  std::vector<std::string> arguments;
  for (int i = argc - 1; i > 0; --i) {  // CLI11 takes them from the back
    arguments.push_back(complete(app, argv[i]));
  }
  if (wants_json_log(arguments)) {
    log::use_json();
  }
  try {
    app.parse(arguments);
  } catch (const CLI::Success& answer) {
    std::ostringstream text;
    app.exit(answer, text, text);
    write_stdout(text.str());
    return std::nullopt;
  } catch (const CLI::ParseError& error) {
    throw Error(ExitCode::usage, fmt::format("{}; see tap-postgres --help", error.what()));
  }

  if (manual_page || completion) {
    write_stdout(manual_page ? manual(app) : bash_completion(app));
    return std::nullopt;
  }
  if (options.configs.empty() && !options.about) {
    throw Error(ExitCode::usage, "--config is required; see tap-postgres --help");
  }
  if (options.catalog && properties) {
    throw Error(ExitCode::usage, "--catalog and --properties are two names for one file: give one of them");
  }
  if (properties) {
    options.catalog = properties;
  }
  options.json = form == "json";
  if (!options.check && !options.about && format->count() > 0) {
    throw Error(ExitCode::usage, "--format goes with check and --about");
  }
  if (options.check && (options.discover || options.slot)) {
    throw Error(ExitCode::usage, "check goes by itself, without --discover and slot");
  }
  if (options.slot == SlotAction::acknowledge && !options.state) {
    throw Error(ExitCode::usage, "slot ack needs --state: what the target has");
  }
  for (const CLI::Option* option : {select, method, key}) {
    if (!options.discover && option->count() > 0) {
      throw Error(ExitCode::usage, fmt::format("{} goes with --discover", option->get_name()));
    }
  }
  return options;
}

}  // namespace tap::cli
