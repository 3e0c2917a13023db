// SPDX-License-Identifier: Apache-2.0
#include "history.hpp"

#include <optional>

#include <spdlog/fmt/fmt.h>

#include <tap/base/error.hpp>
#include <tap/base/log.hpp>

namespace tap::sync {

namespace {

constexpr const char* kNoFile = "58P01";

[[noreturn]] void refuse(const StreamPosition& position, const std::string& reason) {
  throw Error(ExitCode::log_based_unprepared,
              Problem{fmt::format("the state of stream {} is at {} in the WAL of {}", position.stream,
                                  to_text(position.lsn), reason),
                      fmt::format("changes may be lost; restart the stream with --full-refresh {}",
                                  position.stream)});
}

}  // namespace

void require_in_history(const pg::ConnectionSettings& server, const std::string& database,
                        const pg::Timeline& now, const std::vector<StreamPosition>& positions) {
  std::optional<std::string> history;
  for (const StreamPosition& position : positions) {
    const auto& was = position.timeline;
    if (!was || *was == now) {
      continue;
    }
    if (was->system != now.system) {
      refuse(position,
             fmt::format("another server, with the system identifier {}, not {}", was->system, now.system));
    }
    if (!history) {
      try {
        history = pg::timeline_history(server, database, now.id);
      } catch (const pg::ServerError& error) {
        if (error.sqlstate() != kNoFile) {
          throw;
        }
        log::warn(
            "the state was written on timeline {} and the server is on timeline {}, but it lacks the "
            "history of its timelines ({}): whether it has all changes before the state is not known",
            was->id, now.id, error.what());
        return;
      }
    }
    const auto end = pg::end_of_timeline(*history, was->id);
    if (!end) {
      refuse(position, fmt::format("timeline {}, to which timeline {} of this server does not belong",
                                   was->id, now.id));
    }
    if (position.lsn > *end) {
      refuse(position,
             fmt::format("timeline {}, which this server has left at {}: it was promoted or restored without "
                         "what followed",
                         was->id, to_text(*end)));
    }
  }
}

}  // namespace tap::sync
