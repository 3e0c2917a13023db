// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <map>
#include <string_view>

#include <fnmatch.h>
#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include <tap/base/error.hpp>
#include <tap/discovery/selection.hpp>
#include <tap/singer/catalog.hpp>

namespace tap::discovery {

namespace {

/// A pattern of --select, in its parts.
struct Pattern {
  std::string text;
  bool excludes = false;
  std::string schema = "*";
  std::string table;
  std::string column;  ///< empty: the whole table
  bool used = false;

  [[nodiscard]] bool matches_table(const std::string& schema_name, const std::string& table_name) const {
    return fnmatch(schema.c_str(), schema_name.c_str(), 0) == 0 &&
           fnmatch(table.c_str(), table_name.c_str(), 0) == 0;
  }
  [[nodiscard]] bool matches_column(const std::string& name) const {
    return fnmatch(column.c_str(), name.c_str(), 0) == 0;
  }
};

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
                            "(write ? for a dot in a name)",
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

void select_stream(Json& stream, std::vector<Pattern>& patterns) {
  Json& own = singer::metadata(stream, "");
  const std::string schema = own.at("schema-name");
  const std::string table = stream.at("table_name");
  std::vector<Pattern*> matching;
  for (Pattern& pattern : patterns) {
    if (pattern.matches_table(schema, table)) {
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
  bool some_column = false;
  for (Json& entry : stream["metadata"]) {
    if (entry["breadcrumb"].empty()) {
      continue;
    }
    const std::string column = entry["breadcrumb"][1];
    const auto by_name = [&](const Pattern& pattern) {
      return !pattern.column.empty() && pattern.matches_column(column);
    };
    const bool named = any(false, by_name);
    const bool left_out = any(true, by_name);
    some_column = some_column || (named && !left_out);
    if (left_out || (!whole_table && !excluded)) {
      entry["metadata"]["selected"] = named && !left_out;
    } else if (named) {
      entry["metadata"]["selected"] = true;
    }
  }
  own["selected"] = (whole_table || some_column) && !excluded;
}

/// Metadata that discovery makes anew; everything else in an earlier catalog is the user's.
bool is_discovered(std::string_view key) {
  constexpr auto discovered =
      std::to_array<std::string_view>({"table-key-properties", "schema-name", "database-name", "row-count",
                                       "is-view", "sql-datatype", "inclusion", "selected-by-default"});
  return std::find(discovered.begin(), discovered.end(), key) != discovered.end();
}

void keep_metadata(Json& stream, Json& earlier) {
  for (Json& entry : stream["metadata"]) {
    const bool own = entry["breadcrumb"].empty();
    const std::string column = own ? "" : entry["breadcrumb"][1].get<std::string>();
    const Json* const before = singer::find_metadata(earlier, column);
    if (before == nullptr) {
      spdlog::info("{}: column {} is new", id_of(stream), column);
      continue;
    }
    Json& now = entry["metadata"];
    for (const auto& [key, value] : before->items()) {
      const bool given_key = key == "table-key-properties" && now.contains(key) &&
                             now[key].empty();  // a key for a keyless table
      if (!is_discovered(key) || given_key) {
        now[key] = value;
      }
    }
  }
  for (const Json& entry : earlier["metadata"]) {
    const Json& breadcrumb = entry["breadcrumb"];
    if (breadcrumb.size() == 2 && !stream["schema"]["properties"].contains(breadcrumb[1])) {
      spdlog::info("{}: column {} is gone", id_of(stream), breadcrumb[1].get<std::string>());
    }
  }
}

/// In a catalog of a tap that knows one database, a stream's id is without it.
std::string short_id(Json& stream) {
  return singer::metadata(stream, "").at("schema-name").get<std::string>() + "-" +
         stream.at("table_name").get<std::string>();
}

/// Why a selected stream cannot have the method and the key that were asked for; empty if it can.
std::string obstacle(const DiscoveredStream& stream, const Selection& selection) {
  const bool changes_are_logged =
      stream.kind == pg::RelationKind::table || stream.kind == pg::RelationKind::partitioned;
  if (selection.replication_method == "LOG_BASED" && !changes_are_logged) {
    return "views and foreign tables cannot be log based";
  }
  if (selection.replication_key &&
      !stream.entry.at("schema").at("properties").contains(*selection.replication_key)) {
    return fmt::format("it has no column {}", *selection.replication_key);
  }
  return "";
}

}  // namespace

void keep_selections(std::vector<DiscoveredStream>& streams, Json earlier) {
  std::map<std::string, Json*> left;
  for (Json& stream : earlier["streams"]) {
    left.emplace(id_of(stream), &stream);
  }
  for (DiscoveredStream& stream : streams) {
    auto found = left.find(id_of(stream.entry));
    found = found == left.end() ? left.find(short_id(stream.entry)) : found;
    if (found == left.end()) {
      spdlog::info("{} is new", id_of(stream.entry));
      continue;
    }
    Json& before = *found->second;
    keep_metadata(stream.entry, before);
    // The id names the bookmark in the user's state, the stream its table in the target.
    stream.entry["tap_stream_id"] = before["tap_stream_id"];
    stream.entry["stream"] = before.value("stream", stream.entry["stream"]);
    left.erase(found);
  }
  for (const auto& [id, stream] : left) {
    spdlog::info("{} is gone", id);
  }
}

void select(std::vector<DiscoveredStream>& streams, const Selection& selection) {
  std::vector<Pattern> patterns;
  for (const std::string& text : selection.patterns) {
    patterns.push_back(read_pattern(text));
  }
  for (DiscoveredStream& stream : streams) {
    if (!patterns.empty()) {
      select_stream(stream.entry, patterns);
    }
    if (!is_selected(stream.entry)) {
      continue;
    }
    Json& own = singer::metadata(stream.entry, "");
    if (const std::string why = obstacle(stream, selection); !why.empty()) {
      spdlog::warn("{} is not selected: {}", id_of(stream.entry), why);
      own["selected"] = false;
      continue;
    }
    if (selection.replication_method) {
      own["replication-method"] = *selection.replication_method;
    }
    if (selection.replication_key) {
      own["replication-key"] = *selection.replication_key;
    }
  }
  for (const Pattern& pattern : patterns) {
    if (!pattern.used) {
      throw Error(ExitCode::usage,
                  fmt::format("--select {}: matches nothing that was discovered", pattern.text));
    }
  }
}

}  // namespace tap::discovery
