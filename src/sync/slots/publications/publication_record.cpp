// SPDX-License-Identifier: Apache-2.0
#include "publication_record.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include <spdlog/fmt/fmt.h>

#include "publication_advice.hpp"
#include "published_rows.hpp"

namespace tap::sync {

namespace {

using Oids = std::vector<Oid>;

/// An action that publications publish, with its name in records.
struct Action {
  const char* name;
  bool pg::Publication::*is_published;
};
constexpr std::array kActions = {Action{"insert", &pg::Publication::inserts},
                                 Action{"update", &pg::Publication::updates},
                                 Action{"delete", &pg::Publication::deletes}};

constexpr const char* kRowFilter = "where";

/// The row filter of the stream's changes, which its copy has, too; empty: all rows.
std::string filter_of(const PublicationFacts& facts, const PublishedStream& stream) {
  return row_filter_of(stream, facts).value_or("");
}

std::string recorded_filter(const Json& record) {
  const auto filter = record.find(kRowFilter);
  return filter != record.end() && filter->is_string() ? filter->get<std::string>() : "";
}

/// `all rows`, or `only rows with (id > 5)`.
std::string rows_with(const std::string& filter) {
  return filter.empty() ? "all rows" : "only rows with " + filter;
}

/// True if the action is published for all rows of the table with the filter.
bool publishes(const PublicationFacts& facts, const pg::PublishedAs& as, const Action& action,
               const std::string& filter) {
  const pg::Publication* const publication = facts.find(as.publication);
  return publication != nullptr && publication->*action.is_published && as.row_filter == filter;
}

/// The entries through which the action is published for all rows of the table with the filter.
Oids entries_of(const PublicationFacts& facts, const pg::PublishedTable& table, const Action& action,
                const std::string& filter) {
  Oids all;
  for (const pg::PublishedAs& as : table.published) {
    if (publishes(facts, as, action, filter)) {
      all.insert(all.end(), as.entries.begin(), as.entries.end());
    }
  }
  std::ranges::sort(all);
  return all;
}

bool any_recorded(const Json& recorded, const Oids& entries) {
  return std::ranges::any_of(recorded, [&](const Json& entry) {
    return entry.is_number_unsigned() && std::ranges::find(entries, entry.get<Oid>()) != entries.end();
  });
}

}  // namespace

PublicationRecords::PublicationRecords(const PublicationFacts& facts) : facts_(facts) {
  for (const PublishedUnit& unit : published_units(facts)) {
    if (unit.needs_updates) {
      with_updates_.insert(unit.root);
      with_updates_.insert(unit.tables.begin(), unit.tables.end());
    }
  }
  for (const PublishedStream& stream : facts.streams) {
    for (const pg::PublishedTable& table : stream.tables) {
      if (table.is_partitioned && with_updates_.contains(&stream.tables.front())) {
        with_updates_.insert(&table);
      }
    }
  }
}

std::size_t PublicationRecords::count_actions(const pg::PublishedTable& table) const {
  return with_updates_.contains(&table) ? kActions.size() : 1;
}

Json PublicationRecords::record_of(const PublishedStream& stream) const {
  const std::string filter = filter_of(facts_, stream);
  Json record = Json::object();
  Json of_root;
  for (const pg::PublishedTable& table : stream.tables) {
    Json by_action = Json::object();
    for (std::size_t i = 0; i < count_actions(table); ++i) {
      Oids entries = entries_of(facts_, table, kActions.at(i), filter);
      if (!entries.empty()) {
        by_action[kActions.at(i).name] = std::move(entries);
      }
    }
    const bool is_complete = by_action.size() == kActions.size() &&
                             by_action.at("insert") == by_action.at("update") &&
                             by_action.at("insert") == by_action.at("delete");
    Json entries = is_complete ? by_action.at("insert") : by_action;
    if (&table == &stream.tables.front()) {
      of_root = entries;
    } else if (entries == of_root) {
      continue;  // partitions of a published root have its entry
    }
    if (!entries.empty()) {
      record[std::to_string(table.oid)] = std::move(entries);
    }
  }
  if (!filter.empty() && !record.empty()) {
    record[kRowFilter] = filter;
  }
  return record;
}

Json record_of_gap() {
  return Json::array();
}

bool is_record_of_gap(const Json& record) {
  return record == record_of_gap();
}

std::optional<PublicationFinding> PublicationRecords::gap_of(const PublishedStream& stream) const {
  const std::string filter = filter_of(facts_, stream);
  if (!facts_.loses_changes(stream) || stream.tables.empty() ||
      (stream.recorded.is_null() && filter.empty())) {
    return std::nullopt;
  }
  const std::string refresh = "run with " + full_refresh(facts_, {stream.id});
  const auto finding = [&](const std::string& found) {
    return PublicationFinding{
        PublicationFinding::Severity::error, "stream " + stream.id, Problem{found, refresh}, {stream.id}};
  };
  if (!stream.recorded.is_object() && !stream.recorded.is_null()) {
    return finding(
        fmt::format("changes of {} are missing, because they were not published during an earlier run",
                    quoted(stream.tables.front().name)));
  }
  if (const std::string before = recorded_filter(stream.recorded); before != filter) {
    return finding(fmt::format("{} of {} were published for the target's rows, and {} are published now",
                               rows_with(before), quoted(stream.tables.front().name), rows_with(filter)));
  }
  for (const pg::PublishedTable& table : stream.tables) {
    const auto recorded = stream.recorded.find(std::to_string(table.oid));
    if (recorded == stream.recorded.end()) {
      continue;
    }
    if (const pg::PublishedAs* const added = newly_published(table, *recorded, filter)) {
      return finding(fmt::format(
          "changes of {} may be missing, because it was added to publication {} after the last run",
          quoted(table.name), added->publication));
    }
  }
  return std::nullopt;
}

const pg::PublishedAs* PublicationRecords::newly_published(const pg::PublishedTable& table,
                                                           const Json& recorded,
                                                           const std::string& filter) const {
  for (std::size_t i = 0; i < count_actions(table); ++i) {
    const Action& action = kActions.at(i);
    const bool is_needed_now_only = recorded.is_object() && !recorded.contains(action.name);
    if (is_needed_now_only || any_recorded(recorded.is_object() ? recorded.at(action.name) : recorded,
                                           entries_of(facts_, table, action, filter))) {
      continue;
    }
    const auto added = std::ranges::find_if(
        table.published, [&](const pg::PublishedAs& as) { return publishes(facts_, as, action, filter); });
    if (added != table.published.end()) {
      return &*added;
    }
  }
  return nullptr;
}

}  // namespace tap::sync
