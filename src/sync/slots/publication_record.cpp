// SPDX-License-Identifier: Apache-2.0
#include "publication_record.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include <spdlog/fmt/fmt.h>

#include "publication_advice.hpp"

namespace tap::sync {

namespace {

using Oids = std::vector<Oid>;

/// The entries of `table` in all publications, or only in those that publish everything.
Oids entries_of(const PublicationFacts& facts, const pg::PublishedTable& table, bool only_complete) {
  Oids all;
  for (const pg::PublishedAs& as : table.published) {
    const pg::Publication* const publication = facts.find(as.publication);
    const bool is_complete = publication != nullptr && publication->inserts && publication->updates &&
                             publication->deletes && as.row_filter.empty();
    if (is_complete || !only_complete) {
      all.insert(all.end(), as.entries.begin(), as.entries.end());
    }
  }
  std::ranges::sort(all);
  return all;
}

bool is_included(const Json& recorded, const Oids& entries) {
  return std::ranges::any_of(recorded, [&](const Json& entry) {
    return entry.is_number_unsigned() && std::ranges::binary_search(entries, entry.get<Oid>());
  });
}

}  // namespace

Json record_of(const PublicationFacts& facts, const PublishedStream& stream) {
  Json record = Json::object();
  Oids of_root;
  for (const pg::PublishedTable& table : stream.tables) {
    Oids entries = entries_of(facts, table, true);
    if (entries.empty()) {
      entries = entries_of(facts, table, false);
    }
    // Partitions of a published root have its entry.
    if (!entries.empty() && entries != of_root) {
      record[std::to_string(table.oid)] = entries;
    }
    if (&table == &stream.tables.front()) {
      of_root = entries;
    }
  }
  return record;
}

Json record_of_gap() {
  return Json::array();
}

bool is_record_of_gap(const Json& record) {
  return record == record_of_gap();
}

std::optional<PublicationFinding> recorded_gap(const PublicationFacts& facts, const PublishedStream& stream) {
  if (!facts.loses_changes(stream) || stream.tables.empty() || stream.recorded.is_null()) {
    return std::nullopt;
  }
  const std::string refresh = fmt::format("run with --full-refresh {}", stream.id);
  const auto finding = [&](const std::string& found) {
    return PublicationFinding{
        PublicationFinding::Severity::error, "stream " + stream.id, Problem{found, refresh}, {stream.id}};
  };
  if (!stream.recorded.is_object()) {
    return finding(
        fmt::format("changes of {} are missing, because they were not published during an earlier run",
                    quoted(stream.tables.front().name)));
  }
  for (const pg::PublishedTable& table : stream.tables) {
    const auto recorded = stream.recorded.find(std::to_string(table.oid));
    const Oids entries = entries_of(facts, table, false);
    if (recorded != stream.recorded.end() && !entries.empty() && !is_included(*recorded, entries)) {
      return finding(fmt::format(
          "changes of {} may be missing, because it was added to publication {} after the last run",
          quoted(table.name), table.published.front().publication));
    }
  }
  return std::nullopt;
}

}  // namespace tap::sync
