// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cstdlib>
#include <iterator>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <utility>

#include <CLI/CLI.hpp>
#include <spdlog/fmt/fmt.h>

#include <tap/base/error.hpp>
#include <tap/base/output.hpp>
#include <tap/base/platform.hpp>
#include <tap/cli/options.hpp>

#include "log_level.hpp"
#include "manual.hpp"
#include "part.hpp"
#include "sdk_log.hpp"

namespace tap::cli {

namespace {

std::vector<std::string> replication_method_names() {
  std::vector<std::string> names;
  names.reserve(std::size(singer::kReplicationMethods));
  for (const auto& [name, method] : singer::kReplicationMethods) {
    names.emplace_back(name);
  }
  return names;
}

/// Completes an abbreviated long option if it is unambiguous, as the Python taps do.
std::string complete(const CLI::App& app, const std::string& argument) {
  const auto end = std::min(argument.find('='), argument.size());
  if (argument.size() < 3 || argument.compare(0, 2, "--") != 0) {
    return argument;
  }
  const std::string word = argument.substr(2, end - 2);
  std::vector<std::string> candidates;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      if (name == word) {
        return argument;
      }
      if (name.compare(0, word.size(), word) == 0) {
        candidates.push_back(name);
      }
    }
  }
  return candidates.size() == 1 ? "--" + candidates.front() + argument.substr(end) : argument;
}

const std::map<std::string, log::Format> kLogFormats = {
    {"text", log::Format::text}, {"json", log::Format::json}, {"singer-sdk", log::Format::singer_sdk}};

/// The log format that the arguments ask for, even if they are otherwise wrong. They are in reverse order.
std::optional<log::Format> requested_log_format(const std::vector<std::string>& arguments) {
  const std::string option = "--log-format";
  for (const auto& [name, format] : kLogFormats) {
    const auto named = std::ranges::find(arguments, option);
    if (std::ranges::find(arguments, option + "=" + name) != arguments.end() ||
        (named != arguments.end() && named != arguments.begin() && *std::prev(named) == name)) {
      return format;
    }
  }
  return std::nullopt;
}

[[noreturn]] void usage_error(const std::string& text) {
  throw Error(ExitCode::usage, text);
}

std::optional<Format> find_format(const std::string& name) {
  return name == "text"       ? std::optional(Format::text)
         : name == "json"     ? std::optional(Format::json)
         : name == "markdown" ? std::optional(Format::markdown)
                              : std::nullopt;
}

/// The CLI11 parser and the values that it writes.
class Parser {
 public:
  Parser() {
    add_files();
    add_discovery_options();
    add_log_options();
    add_reports();
    add_slot_commands();
    add_part_commands();
  }

  std::optional<Options> parse(int argc, const char* const* argv) {
    std::vector<std::string> arguments;
    for (int i = argc - 1; i > 0; --i) {  // CLI11 expects them in reverse order
      arguments.push_back(complete(app_, argv[i]));
    }
    SdkLog sdk_log;
    if (const char* const path = std::getenv("SINGER_SDK_LOG_CONFIG")) {
      sdk_log = read_sdk_log(path);
    }
    log::set_format(requested_log_format(arguments).value_or(sdk_log.is_structured ? log::Format::singer_sdk
                                                                                   : log::Format::text));
    try {
      app_.parse(arguments);
    } catch (const CLI::Success& answer) {
      std::ostringstream text;
      app_.exit(answer, text, text);
      write_stdout(text.str());
      return std::nullopt;
    } catch (const CLI::ParseError& error) {
      usage_error(fmt::format("{}; see tap-postgres --help", error.what()));
    }
    if (wants_manual_ || wants_completion_) {
      write_stdout(wants_manual_ ? manual(app_) : bash_completion(app_));
      return std::nullopt;
    }
    validate();
    if (std::ranges::find(options_.configs, config::kEnvironment) != options_.configs.end()) {
      options_.dotenv = config::read_dotenv();
      config::set_variables(options_.dotenv);
    }
    if (!log_level_) {
      log_level_ = log_level_from_environment();
    }
    options_.log_level = log_level_.value_or(sdk_log.level.value_or(options_.log_level));
    options_.command = command();
    if (properties_) {
      options_.catalog = properties_;
    }
    if (options_.command == Command::sync) {
      options_.part = part_of_run(part_, options_.parts);
    }
    return options_;
  }

 private:
  void add_files() {
    app_.set_version_flag("--version", fmt::format("tap-postgres {}{}", TAP_VERSION, build_note()));
    app_.add_option("-c,--config", options_.configs,
                    "Config file (JSON), or ENV for TAP_POSTGRES_* variables; repeatable, the last wins")
        ->type_name("FILE")
        ->allow_extra_args(false);
    app_.add_flag("-d,--discover", discover_, "Write the catalog to stdout");
    app_.add_option("--catalog", options_.catalog,
                    "Catalog of the streams to sync; with --discover: earlier catalog to update")
        ->type_name("FILE");
    app_.add_option("-p,--properties", properties_, "Same as --catalog (deprecated)")->type_name("FILE");
    app_.add_option("-s,--state", options_.state, "State file to resume from")->type_name("FILE");
    app_.add_option_function<std::vector<std::string>>(
            "--full-refresh",
            [this](const std::vector<std::string>& streams) {
              for (const std::string& stream : streams) {
                if (stream.empty()) {
                  options_.refresh.all = true;
                } else {
                  options_.refresh.streams.push_back(stream);
                }
              }
            },
            "Sync one stream, or all streams, from scratch")
        ->expected(0, 1)
        ->type_name("[STREAM]")
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  }

  void add_discovery_options() {
    discovery_options_ = {
        app_.add_option("--select", options_.selection.patterns,
                        "With --discover: select [schema.]table[.column] (globs; a leading ! excludes)")
            ->type_name("PATTERN")
            ->allow_extra_args(false),
        app_.add_option_function<std::string>(
                "--replication-method",
                [this](const std::string& name) {
                  options_.selection.replication_method = singer::find_method(name);
                },
                "With --discover: replication method of the selected streams")
            ->check(CLI::IsMember(replication_method_names()))
            ->type_name("METHOD"),
        app_.add_option("--replication-key", options_.selection.replication_key,
                        "With --discover: replication key of the selected streams")
            ->type_name("COLUMN")};
  }

  void add_log_options() {
    app_.add_option_function<std::string>(
            "--log-level",
            [this](const std::string& name) {
              log_level_ = find_log_level(name);
              if (!log_level_) {
                usage_error(
                    fmt::format("--log-level {}: must be debug, info, warning, error or critical", name));
              }
            },
            "Minimum log level; default: TAP_POSTGRES_LOGLEVEL, LOGLEVEL, or info")
        ->type_name("LEVEL:{debug,info,warning,error,critical}");
    app_.add_flag_callback(
        "-v,--verbose", [this] { log_level_ = log::Level::debug; }, "Same as --log-level debug");
    app_.add_flag_callback(
        "-q,--quiet", [this] { log_level_ = log::Level::warning; }, "Same as --log-level warning");
    app_.add_option("--log-format", log_format_, "Format of log lines")
        ->check(CLI::IsMember({"text", "json", "singer-sdk"}))
        ->type_name("FORMAT");
  }

  void add_reports() {
    summary_option_ =
        app_.add_option("--summary", options_.summary,
                        "File for a JSON summary of the sync run, written at its end even if it fails")
            ->type_name("FILE")
            ->allow_extra_args(false);
    app_.add_flag("--about", about_, "Write capabilities and settings to stdout");
    app_.add_flag("--man", wants_manual_)->group("");  // for the build, which installs both
    app_.add_flag("--bash-completion", wants_completion_)->group("");
    app_.add_flag("--test", check_, "Same as the check command");
    const auto set_format = [this](const std::string& name) {
      const auto format = find_format(name);
      if (!format) {
        usage_error(fmt::format("--format {}: must be json, markdown or text", name));
      }
      options_.format = *format;
    };
    format_option_ =
        app_.add_option_function<std::string>("--format", set_format, "Output format of check and --about")
            ->type_name("FORMAT:{text,json,markdown}");
    app_.add_subcommand("check", "Check every precondition of a run and suggest fixes")
        ->fallthrough()
        ->callback([this] { check_ = true; });
  }

  void add_slot_commands() {
    auto* const slot = app_.add_subcommand("slot", "Manage the replication slots of the config's database");
    slot->fallthrough();
    slot->require_subcommand(1);
    const auto add = [&](const char* name, const char* description, sync::SlotAction action) {
      slot->add_subcommand(name, description)->fallthrough()->callback([this, action] {
        options_.slot = action;
      });
    };
    add("status", "List logical replication slots: reader, positions, retained WAL",
        sync::SlotAction::status);
    add("create", "Create the slot for log-based streams, after the publication of the streams in --catalog",
        sync::SlotAction::create);
    add("drop", "Drop the slot, so that the server can remove its WAL", sync::SlotAction::drop);
    add("ack", "Acknowledge the position in --state, so that the server can remove older WAL",
        sync::SlotAction::acknowledge);
  }

  void add_part_commands() {
    const auto only_one = [](CLI::Option* option) { return option->allow_extra_args(false); };
    part_options_ = {
        only_one(app_.add_option("--part", part_, "Sync only part I of N of the streams (1/N to N/N)"))
            ->type_name("I/N"),
        app_.add_option_function<std::string>(
                "--parts", [this](const std::string& text) { options_.parts = parse_parts("--parts", text); },
                "Number of parts of split; without split: sync part JOB_COMPLETION_INDEX + 1 of them")
            ->type_name("N"),
        only_one(app_.add_option("--out", options_.folder, "With split: folder of the part files"))
            ->type_name("FOLDER"),
        only_one(
            app_.add_option("--base", options_.base, "With state merge: the state that the runs were given"))
            ->type_name("FILE")};
    app_.add_subcommand("split", "Split --catalog into --parts catalogs of about the same size, in --out")
        ->fallthrough()
        ->callback([this] { split_ = true; });
    auto* const state = app_.add_subcommand("state", "Work with state files");
    state->fallthrough();
    state->require_subcommand(1);
    auto* const merge = state->add_subcommand(
        "merge", "Join the state files FILE ... on stdout: the newest bookmark per stream");
    merge->fallthrough();
    merge->add_option("FILE", options_.states, "State files")->required();
    merge->callback([this] { merge_ = true; });
  }

  [[nodiscard]] Command command() const {
    return about_          ? Command::about
           : check_        ? Command::check
           : options_.slot ? Command::slot
           : discover_     ? Command::discover
           : split_        ? Command::split
           : merge_        ? Command::merge_states
                           : Command::sync;
  }

  void validate_parts() const {
    const Command command = this->command();
    if (command == Command::split &&
        (!(options_.catalog || properties_) || options_.parts == 0 || options_.folder.empty())) {
      usage_error("split requires --catalog, --parts and --out");
    }
    const auto [part, parts, out, base] = part_options_;
    const auto refuse = [](const CLI::Option* option, bool is_allowed, const char* wanted) {
      if (option->count() > 0 && !is_allowed) {
        usage_error(fmt::format("{} requires {}", option->get_name(), wanted));
      }
    };
    refuse(part, command == Command::sync, "a sync run");
    refuse(summary_option_, command == Command::sync, "a sync run");
    refuse(parts, command == Command::sync || command == Command::split, "split or a sync run");
    refuse(out, command == Command::split, "split");
    refuse(base, command == Command::merge_states, "state merge");
  }

  void validate() const {
    validate_parts();
    if (options_.configs.empty() && !about_ && !split_ && !merge_) {
      usage_error("--config is required; see tap-postgres --help");
    }
    if (options_.catalog && properties_) {
      usage_error("--catalog and --properties are the same option; give only one");
    }
    if (!check_ && !about_ && format_option_->count() > 0) {
      usage_error("--format requires check or --about");
    }
    if (options_.format == Format::markdown && !about_) {
      usage_error("--format markdown requires --about");
    }
    if (check_ && (discover_ || options_.slot)) {
      usage_error("check cannot be combined with --discover or slot");
    }
    if (options_.slot == sync::SlotAction::acknowledge && !options_.state) {
      usage_error("slot ack requires --state");
    }
    for (const CLI::Option* option : discovery_options_) {
      if (!discover_ && option->count() > 0) {
        usage_error(fmt::format("{} requires --discover", option->get_name()));
      }
    }
  }

  CLI::App app_{"Singer tap for PostgreSQL: discovers tables and writes SCHEMA, RECORD and STATE messages.",
                "tap-postgres"};
  Options options_;
  std::optional<std::string> properties_;
  bool discover_ = false;
  bool check_ = false;
  bool split_ = false;
  bool merge_ = false;
  bool about_ = false;
  bool wants_manual_ = false;
  bool wants_completion_ = false;
  std::optional<log::Level> log_level_;
  std::string log_format_ = "text";
  const CLI::Option* format_option_ = nullptr;
  const CLI::Option* summary_option_ = nullptr;
  std::optional<std::string> part_;
  std::array<const CLI::Option*, 4> part_options_{};
  std::vector<const CLI::Option*> discovery_options_;
};

}  // namespace

std::optional<Options> parse(int argc, const char* const* argv) {
  return Parser().parse(argc, argv);
}

}  // namespace tap::cli
