// SPDX-License-Identifier: Apache-2.0
#include "report.hpp"

#include <algorithm>
#include <array>

#include <spdlog/fmt/fmt.h>

#include <tap/base/json.hpp>
#include <tap/base/text.hpp>

namespace tap::check {

namespace {

const char* name_of(Severity severity) {
  constexpr std::array names = {"ok", "note", "warning", "error"};
  return names.at(static_cast<std::size_t>(severity));
}

Severity worst(const std::vector<Finding>& findings) {
  Severity worst = Severity::ok;
  for (const Finding& finding : findings) {
    worst = std::max(worst, finding.severity);
  }
  return worst;
}

}  // namespace

void Report::add_as_notes(const Report& optional) {
  for (Finding finding : optional.findings()) {
    finding.severity = std::min(finding.severity, Severity::note);
    finding.code = ExitCode::done;
    findings_.push_back(std::move(finding));
  }
}

std::string to_text(const std::vector<Finding>& findings) {
  std::string text;
  for (const Finding& finding : findings) {
    const auto& [found, needed, fix] = finding.problem;
    std::string remedy = needed;
    remedy += needed.empty() || fix.empty() ? "" : ": ";
    remedy += fix;
    text += to_printable_line(fmt::format("{:<7} {}: {}{}{}", name_of(finding.severity), finding.subject,
                                          found, remedy.empty() ? "" : "; ", remedy));
    text += '\n';
  }
  return text;
}

std::string to_json_text(const std::vector<Finding>& findings) {
  Json list = Json::array();
  for (const Finding& finding : findings) {
    list.push_back(Json{{"level", name_of(finding.severity)},
                        {"subject", finding.subject},
                        {"found", finding.problem.found},
                        {"needed", finding.problem.needed},
                        {"fix", finding.problem.fix}});
  }
  return to_printable_line(
             tap::to_text(Json{{"findings", std::move(list)}, {"worst", name_of(worst(findings))}})) +
         "\n";
}

ExitCode exit_code(const std::vector<Finding>& findings) {
  const auto has = [&](ExitCode code) {
    return std::ranges::find(findings, code, &Finding::code) != findings.end();
  };
  if (has(ExitCode::usage)) {  // a run validates its input before it connects
    return ExitCode::usage;
  }
  for (const Finding& finding : findings) {
    if (finding.code == ExitCode::cannot_connect || finding.code == ExitCode::log_based_unprepared) {
      return finding.code;
    }
  }
  return has(ExitCode::run_failed) ? ExitCode::run_failed : ExitCode::done;
}

}  // namespace tap::check
