// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <string_view>

#include <fnmatch.h>
#include <spdlog/fmt/fmt.h>

#include <tap/base/error.hpp>
#include <tap/base/log.hpp>
#include <tap/discovery/selection.hpp>
#include <tap/singer/catalog.hpp>

#include "stream_table.hpp"

namespace tap::discovery {

namespace {

bool matches_table(const Pattern& pattern, const std::string& schema, const std::string& table) {
  return fnmatch(pattern.schema.c_str(), schema.c_str(), 0) == 0 &&
         fnmatch(pattern.table.c_str(), table.c_str(), 0) == 0;
}

bool matches_column(const Pattern& pattern, const std::string& name) {
  return !pattern.column.empty() && fnmatch(pattern.column.c_str(), name.c_str(), 0) == 0;
}

Pattern read_pattern(const std::string& text) {
  Pattern pattern;
  pattern.text = text;
  pattern.excludes = !text.empty() && text.front() == '!';
  std::vector<std::string> parts(1);
  for (const char c : text.substr(pattern.excludes ? 1 : 0)) {
    if (c == '.') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  if (parts.size() > 3 ||
      std::any_of(parts.begin(), parts.end(), [](const auto& part) { return part.empty(); })) {
    throw Error(ExitCode::usage,
                fmt::format("--select {}: must be table, schema.table or schema.table.column "
                            "(use ? for a dot in a name)",
                            text));
  }
  if (parts.size() > 1) {
    pattern.schema = parts[0];
  }
  pattern.table = parts[parts.size() == 1 ? 0 : 1];
  if (parts.size() == 3) {
    pattern.column = parts[2];
  }
  return pattern;
}

std::string id_of(const Json& stream) {
  return stream.at("tap_stream_id").get<std::string>();
}

bool is_selected(Json& stream) {
  const Json* const own = singer::find_metadata(stream, "");
  return own != nullptr && own->contains("selected") && (*own)["selected"] == true;
}

/// Applies the patterns to a stream, which an earlier catalog may have selected. True if one of them selects
/// it or a column of it.
bool select_stream(Json& stream, std::vector<Pattern>& patterns) {
  const bool was_selected = is_selected(stream);
  Json& own = singer::metadata(stream, "");
  const std::string schema = own.at("schema-name");
  const std::string table = stream.at("table_name");
  std::vector<Pattern*> matching;
  for (Pattern& pattern : patterns) {
    if (matches_table(pattern, schema, table)) {
      matching.push_back(&pattern);
    }
  }
  const auto any = [&](bool excludes, auto of) {
    bool found = false;
    for (Pattern* pattern : matching) {
      if (pattern->excludes == excludes && of(*pattern)) {
        pattern->used = true;
        found = true;
      }
    }
    return found;
  };
  const auto whole = [](const Pattern& pattern) { return pattern.column.empty(); };
  const bool whole_table = any(false, whole);
  const bool excluded = any(true, whole);
  const auto named = [&](const Json& entry, bool excludes) {
    const std::string column(singer::column_of(entry).value_or(""));
    return !column.empty() &&
           any(excludes, [&](const Pattern& pattern) { return matches_column(pattern, column); });
  };
  bool some_column = false;
  for (const Json& entry : stream["metadata"]) {
    const bool is_out = named(entry, true);
    some_column = (named(entry, false) && !is_out) || some_column;
  }
  for (Json& entry : stream["metadata"]) {
    if (named(entry, true)) {
      entry["metadata"]["selected"] = false;
    } else if (named(entry, false)) {
      entry["metadata"]["selected"] = true;
    } else if (some_column && !whole_table && !was_selected && !entry["breadcrumb"].empty()) {
      entry["metadata"]["selected"] = false;
    }
  }
  own["selected"] = (whole_table || some_column || was_selected) && !excluded;
  return whole_table || some_column;
}

/// Metadata that discovery always rewrites; everything else in an earlier catalog belongs to the user.
bool is_discovered(std::string_view key) {
  constexpr auto discovered =
      std::to_array<std::string_view>({"table-key-properties", "schema-name", "database-name", "row-count",
                                       "is-view", "sql-datatype", "inclusion", "selected-by-default"});
  return std::find(discovered.begin(), discovered.end(), key) != discovered.end();
}

void copy_user_metadata(Json& stream, Json& earlier) {
  for (Json& entry : stream["metadata"]) {
    const bool own = entry["breadcrumb"].empty();
    const std::string column = own ? "" : entry["breadcrumb"][1].get<std::string>();
    const Json* const before = singer::find_metadata(earlier, column);
    if (before == nullptr) {
      log::info("{}: column {} is new", id_of(stream), column);
      continue;
    }
    Json& now = entry["metadata"];
    for (const auto& [key, value] : before->items()) {
      const bool given_key = key == "table-key-properties" && now.contains(key) &&
                             now[key].empty();  // the user's key for a table without one
      if (!is_discovered(key) || given_key) {
        now[key] = value;
      }
    }
  }
  for (const Json& entry : earlier["metadata"]) {
    const std::string column(singer::column_of(entry).value_or(""));
    if (!column.empty() && !stream["schema"]["properties"].contains(column)) {
      log::info("{}: column {} was dropped", id_of(stream), column);
    }
  }
}

/// The stream's id in a catalog of a single-database tap, which leaves the database out.
std::string short_id(Json& stream) {
  return singer::metadata(stream, "").at("schema-name").get<std::string>() + "-" +
         stream.at("table_name").get<std::string>();
}

/// Why a selected stream cannot have the requested method or key; empty if it can.
std::string obstacle(const DiscoveredStream& stream, const Selection& selection) {
  const bool changes_are_logged =
      stream.kind == pg::RelationKind::table || stream.kind == pg::RelationKind::partitioned;
  if (selection.replication_method == singer::ReplicationMethod::log_based && !changes_are_logged) {
    return "views and foreign tables do not support LOG_BASED";
  }
  if (selection.replication_key &&
      !stream.entry.at("schema").at("properties").contains(*selection.replication_key)) {
    return fmt::format("it has no column {}", *selection.replication_key);
  }
  return "";
}

}  // namespace

EarlierCatalog::EarlierCatalog(Json catalog) : catalog_(std::move(catalog)) {
  for (Json& stream : catalog_["streams"]) {
    const std::string id = id_of(stream);
    if (!missing_.emplace(id, &stream).second) {
      missing_[id] = nullptr;  // of two tables
    } else if (const std::string table = table_in_database(stream); !table.empty()) {
      tables_[table] = id;
    }
  }
  std::erase_if(missing_, [](const auto& entry) { return entry.second == nullptr; });
}

EarlierCatalog::Missing::iterator EarlierCatalog::find(Json& stream) {
  if (const auto id = tables_.find(table_in_database(stream)); id != tables_.end()) {
    if (const auto found = missing_.find(id->second); found != missing_.end()) {
      return found;
    }
  }
  for (const std::string& id : {id_of(stream), short_id(stream)}) {
    const auto found = missing_.find(id);
    // Of another table, or of a tap that does not name it in this way.
    const std::string other = found == missing_.end() ? "" : table_of(*found->second);
    if (found != missing_.end() && (other.empty() || other == table_of(stream))) {
      return found;
    }
  }
  return missing_.end();
}

void EarlierCatalog::apply(Json& stream) {
  const auto found = find(stream);
  if (found == missing_.end()) {
    log::info("{} is new", id_of(stream));
    return;
  }
  Json& before = *found->second;
  copy_user_metadata(stream, before);
  // The id names the bookmark in the user's state, the stream its table in the target.
  stream["tap_stream_id"] = before["tap_stream_id"];
  stream["stream"] = before.value("stream", stream["stream"]);
  missing_.erase(found);
}

void EarlierCatalog::log_missing_streams() const {
  for (const auto& [id, stream] : missing_) {
    log::info("{} no longer exists", id);
  }
}

Selector::Selector(Selection selection) : selection_(std::move(selection)) {
  for (const std::string& text : selection_.patterns) {
    patterns_.push_back(read_pattern(text));
  }
}

void Selector::apply(DiscoveredStream& stream) {
  if (!patterns_.empty() && !select_stream(stream.entry, patterns_)) {
    return;
  }
  if (!is_selected(stream.entry)) {
    return;
  }
  Json& own = singer::metadata(stream.entry, "");
  if (const std::string why = obstacle(stream, selection_); !why.empty()) {
    log::warn("{} is not selected: {}", id_of(stream.entry), why);
    own["selected"] = false;
    return;
  }
  if (selection_.replication_method) {
    own["replication-method"] = singer::method_name(*selection_.replication_method);
  }
  if (selection_.replication_key) {
    own["replication-key"] = *selection_.replication_key;
  }
}

void Selector::check_all_used() const {
  for (const Pattern& pattern : patterns_) {
    if (!pattern.used) {
      throw Error(ExitCode::usage,
                  fmt::format("--select {}: no discovered table or column matches", pattern.text));
    }
  }
}

void write_catalog(const config::Config& config, const std::optional<std::string>& earlier_catalog,
                   const Selection& selection, singer::Writer& writer) {
  std::optional<EarlierCatalog> earlier;
  if (earlier_catalog) {
    earlier.emplace(singer::load_catalog_document(*earlier_catalog));
  }
  Selector selector(selection);
  SharedIds ids;
  discover(config, [&](DiscoveredStream& stream) {
    if (earlier) {
      earlier->apply(stream.entry);
    }
    ids.note(stream.entry);
    selector.apply(stream);
    writer.catalog_entry(stream.entry);
  });
  if (earlier) {
    earlier->log_missing_streams();
  }
  selector.check_all_used();
  writer.finish_catalog();
}

}  // namespace tap::discovery
