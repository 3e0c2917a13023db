// SPDX-License-Identifier: Apache-2.0
#include "manual.hpp"

#include <vector>

#include <CLI/CLI.hpp>
#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

namespace tap::cli {

namespace {

/// Escapes text for roff: dashes become minus signs, and a leading dot does not start a request.
std::string roff(const std::string& text) {
  std::string out;
  for (const char c : text) {
    out += c == '-' ? "\\-" : c == '\\' ? "\\e" : std::string(1, c);
  }
  return out.starts_with('.') || out.starts_with('\'') ? "\\&" + out : out;
}

std::vector<const CLI::Option*> shown_options(const CLI::App& app) {
  return app.get_options([](const CLI::Option* option) { return !option->get_group().empty(); });
}

std::vector<const CLI::App*> subcommands(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* /*any*/) { return true; });
}

/// The type name and the choices of an option: `FORMAT` and `text json` of `FORMAT:{text,json}`.
std::pair<std::string, std::string> value_of(const CLI::Option& option) {
  const std::string type = option.get_items_expected_max() > 0 ? option.get_type_name() : "";
  const auto colon = type.find(":{");
  if (colon == std::string::npos) {
    return {type, ""};
  }
  std::string choices = type.substr(colon + 2, type.size() - colon - 3);
  std::replace(choices.begin(), choices.end(), ',', ' ');
  return {type.substr(0, colon), choices};
}

std::string names(const CLI::Option& option, const char* separator) {
  std::vector<std::string> all;
  for (const std::string& name : option.get_snames()) {
    all.push_back("-" + name);
  }
  for (const std::string& name : option.get_lnames()) {
    all.push_back("--" + name);
  }
  return fmt::format("{}", fmt::join(all, separator));
}

std::string commands_in_roff(const CLI::App& app, const std::string& before) {
  std::string text;
  for (const CLI::App* command : subcommands(app)) {
    const std::string name = before + command->get_name();
    text += fmt::format(".TP\n.B {}\n{}\n", roff(name), roff(command->get_description()));
    text += commands_in_roff(*command, name + " ");
  }
  return text;
}

}  // namespace

std::string manual(const CLI::App& app) {
  std::string text = fmt::format(R"(.TH TAP\-POSTGRES 1 "" "tap\-postgres {}"
.SH NAME
tap\-postgres \- Singer tap for PostgreSQL
.SH SYNOPSIS
.B tap\-postgres
\-\-config FILE [\-\-discover | \-\-catalog FILE [\-\-state FILE]] [OPTIONS]
.br
.B tap\-postgres
check | slot ... \-\-config FILE [OPTIONS]
.br
.B tap\-postgres
split \-\-catalog FILE \-\-parts N \-\-out FOLDER [\-\-config FILE]
.br
.B tap\-postgres
state merge FILE ... [\-\-base FILE]
.SH DESCRIPTION
{}
.BR "tap\-postgres \-\-about"
lists the settings.
.SH OPTIONS
)",
                                 TAP_VERSION, roff(app.get_description()));
  for (const CLI::Option* option : shown_options(app)) {
    const auto [type, choices] = value_of(*option);
    std::string description = roff(option->get_description());
    if (!choices.empty() && description.find(choices.substr(0, choices.find(' '))) == std::string::npos) {
      description += fmt::format(" ({})", roff(choices));
    }
    text += fmt::format(".TP\n.B {}{}{}\n{}\n", roff(names(*option, ", ")), type.empty() ? "" : " ",
                        roff(type), description);
  }
  text += ".SH COMMANDS\n" + commands_in_roff(app, "");
  text += R"(.SH EXIT STATUS
0: success. 1: the run or at least one stream failed. 2: invalid config, catalog, state or command line.
3: cannot connect or log in. 4: the server is not set up for log\-based streams. 128+n: stopped by signal n.
)";
  return text;
}

std::string bash_completion(const CLI::App& app) {
  std::string words;
  std::string cases;
  for (const CLI::Option* option : shown_options(app)) {
    words += names(*option, " ") + " ";
    const auto [type, choices] = value_of(*option);
    if (type == "FILE") {
      cases += fmt::format("    {}) mapfile -t COMPREPLY < <(compgen -f -- \"$word\"); return ;;\n",
                           names(*option, "|"));
    } else if (!type.empty() && !type.starts_with('[')) {
      cases += fmt::format("    {}) mapfile -t COMPREPLY < <(compgen -W '{}' -- \"$word\"); return ;;\n",
                           names(*option, "|"), choices);
    }
  }
  for (const CLI::App* command : subcommands(app)) {
    words += command->get_name() + " ";
    std::string inner;
    for (const CLI::App* action : subcommands(*command)) {
      inner += (inner.empty() ? "" : " ") + action->get_name();
    }
    if (!inner.empty()) {
      cases += fmt::format("    {}) mapfile -t COMPREPLY < <(compgen -W '{}' -- \"$word\"); return ;;\n",
                           command->get_name(), inner);
    }
  }
  words.pop_back();
  return fmt::format(
      "# bash completion of tap-postgres\n_tap_postgres() {{\n  local word=$2\n  case $3 in\n{}  esac\n"
      "  mapfile -t COMPREPLY < <(compgen -W '{}' -- \"$word\")\n}}\n"
      "complete -o filenames -F _tap_postgres tap-postgres\n",
      cases, words);
}

}  // namespace tap::cli
