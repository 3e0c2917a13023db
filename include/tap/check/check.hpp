// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <tap/base/error.hpp>
#include <tap/sync/plan.hpp>

namespace tap::check {

enum class Severity { ok, note, warning, error };

/// The result of one check. An `ok` finding sets only `found`.
struct Finding {
  Severity severity = Severity::ok;
  std::string subject;  ///< "server", "slot stitch_shop", "stream shop-public-orders"
  Problem problem;
  ExitCode code = ExitCode::done;  ///< of an error: exit code of a run that meets it
};

/// The input of the run to check.
struct Request {
  std::vector<std::string> configs;
  std::optional<std::string> catalog;
  std::optional<std::string> state;
  sync::FullRefresh refresh;
};

/// Checks everything that such a run requires. It only reads, blocks no one, continues after an error where
/// it can, and ends in bounded time. A mistake of the user or of the server is a finding, not an exception.
std::vector<Finding> check(const Request& request);

/// One line per finding: `warning subject: found; needed: fix`.
std::string to_text(const std::vector<Finding>& findings);
/// One JSON object on one line: {"findings": [{level, subject, found, needed, fix}, ...], "worst": level}.
std::string to_json_text(const std::vector<Finding>& findings);
/// The exit code of a run with these findings: that of the first error the run would meet. Errors in files
/// come first, then errors of the server, then stream errors. ExitCode::done if there are no errors.
ExitCode exit_code(const std::vector<Finding>& findings);

}  // namespace tap::check
