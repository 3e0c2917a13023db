// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <tap/base/error.hpp>
#include <tap/sync/plan.hpp>

namespace tap::check {

enum class Severity { ok, note, warning, error };

/// One thing that was looked at. A finding that is ok has found something only.
struct Finding {
  Severity severity = Severity::ok;
  std::string subject;  ///< "server", "slot stitch_shop", "stream shop-public-orders"
  Problem problem;
  ExitCode code = ExitCode::done;  ///< of an error: what a run would end with
};

/// What a run would be given: the names of files.
struct Request {
  std::vector<std::string> configs;
  std::optional<std::string> catalog;
  std::optional<std::string> state;
  sync::FullRefresh refresh;
};

/// One pass over everything that such a run needs. Goes on after an error wherever it can, reads only, keeps
/// nobody from anything, and ends in bounded time. Throws nothing that a run's mistakes could be the cause
/// of.
std::vector<Finding> check(const Request& request);

/// A line for each finding: `warning subject: found; needed: fix`.
std::string to_text(const std::vector<Finding>& findings);
/// One JSON object on a line: {"findings": [{level, subject, found, needed, fix}, ...], "worst": level}.
std::string to_json_text(const std::vector<Finding>& findings);
/// That of a run, which ends at the first error that it meets: its files' before the server's, streams' last.
/// Done if there is none.
ExitCode exit_code(const std::vector<Finding>& findings);

}  // namespace tap::check
