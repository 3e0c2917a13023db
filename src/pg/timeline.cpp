// SPDX-License-Identifier: Apache-2.0
#include <charconv>
#include <sstream>

#include <spdlog/fmt/fmt.h>

#include <tap/pg/timeline.hpp>

#include "connect/conninfo.hpp"

namespace tap::pg {

std::string to_text(const Timeline& timeline) {
  return fmt::format("{}/{}", timeline.system, timeline.id);
}

std::optional<Timeline> read_timeline(std::string_view text) {
  const auto slash = text.find('/');
  if (slash == 0 || slash == std::string_view::npos) {
    return std::nullopt;
  }
  Timeline timeline{std::string(text.substr(0, slash)), 0};
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data() + slash + 1, end, timeline.id);
  return error == std::errc() && rest == end ? std::optional(timeline) : std::nullopt;
}

Timeline current_timeline(Connection& replication) {
  const Result result = replication.simple_query("IDENTIFY_SYSTEM");
  return {result.first().text("systemid"), static_cast<std::uint32_t>(result.first().number("timeline"))};
}

Timeline current_timeline(const ConnectionSettings& server, const std::string& database) {
  Connection replication(for_replication(server), database);
  return current_timeline(replication);
}

std::string timeline_history(const ConnectionSettings& server, const std::string& database,
                             std::uint32_t id) {
  if (id == 1) {
    return "";
  }
  Connection replication(for_replication(server), database);
  const Result history = replication.simple_query(fmt::format("TIMELINE_HISTORY {}", id));
  return history.first().text("content");
}

std::optional<Lsn> end_of_timeline(std::string_view history, std::uint32_t id) {
  std::istringstream lines{std::string(history)};
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::uint32_t timeline = 0;
    std::string end;
    if (fields >> timeline >> end && timeline == id) {
      return read_lsn(end);
    }
  }
  return std::nullopt;
}

}  // namespace tap::pg
