// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <optional>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <tap/sync/slots/publications.hpp>
#include <tap/sync/slots/selection.hpp>
#include <tap/sync/slots/server_requirements.hpp>

#include "checks.hpp"

namespace tap::check {

std::set<pg::TableName> check_publications(pg::Connection& connection, const config::Config& config,
                                           const std::string& database,
                                           const std::vector<const sync::StreamPlan*>& streams,
                                           singer::State& state, Report& report) {
  std::set<pg::TableName> without_updates;
  const std::string subject = fmt::format("publication {}", fmt::join(config.log.publications, ", "));
  report.attempt(subject, [&] {
    const auto slots = sync::usable_slots(connection, config, database);
    const auto slot = std::ranges::find(slots, sync::kPgoutput, &pg::Slot::plugin);
    const bool is_created = slots.empty() && sync::plugin_to_create(config.log) == sync::kPgoutput;
    if (slot == slots.end() && !is_created) {
      return;
    }
    const std::vector<sync::PublicationFinding> findings =
        sync::publication_findings(connection, config, database, sync::streams_to_publish(streams, state),
                                   slot == slots.end() ? std::nullopt : std::optional(slot->name));
    without_updates = sync::tables_without_updates(findings);
    for (const sync::PublicationFinding& finding : findings) {
      using Severity = sync::PublicationFinding::Severity;
      switch (finding.severity) {
        case Severity::note:
          report.note(finding.subject, finding.problem);
          break;
        case Severity::warning:
          report.warning(finding.subject, finding.problem);
          break;
        case Severity::breaks_source:
        case Severity::error:
          report.error(finding.subject, finding.problem,
                       finding.streams.empty() ? ExitCode::log_based_unprepared : ExitCode::run_failed);
          break;
      }
    }
    if (std::ranges::none_of(findings, [](const sync::PublicationFinding& finding) {
          return finding.subject.starts_with("publication ");
        })) {
      report.ok(subject, fmt::format("it publishes all changes of {} log-based streams", streams.size()));
    }
  });
  return without_updates;
}

}  // namespace tap::check
