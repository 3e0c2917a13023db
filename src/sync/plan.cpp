// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <map>
#include <set>

#include <spdlog/fmt/fmt.h>
#include <spdlog/fmt/ranges.h>

#include <tap/base/error.hpp>
#include <tap/base/log.hpp>
#include <tap/sync/plan.hpp>

#include "bookmark.hpp"
#include "bookmark_lsn.hpp"
#include "slots/publications/publication_advice.hpp"

namespace tap::sync {

namespace {

using singer::ReplicationMethod;

ReplicationMethod method_of(const singer::Stream& stream, const config::Config& config) {
  const auto method = stream.replication_method ? singer::find_method(*stream.replication_method)
                                                : config.default_replication_method;
  if (!method) {
    throw Error(ExitCode::usage,
                fmt::format("Unrecognized replication_method {} for stream {}: set replication-method in the "
                            "stream's metadata, or default_replication_method in the config, to FULL_TABLE, "
                            "INCREMENTAL or LOG_BASED",
                            stream.replication_method.value_or("None"), stream.id));
  }
  if (method == ReplicationMethod::log_based && stream.is_view) {
    throw Error(ExitCode::usage,
                fmt::format("Logical Replication is NOT supported for views. Please change the "
                            "replication method for {}",
                            stream.id));
  }
  return *method;
}

/// Throws unless an incremental stream has a replication key that is one of its columns.
void require_replication_key(const singer::Stream& stream) {
  if (!stream.replication_key) {
    throw Error(
        ExitCode::usage,
        fmt::format(
            "stream {} is INCREMENTAL but has no replication key: set replication-key in its metadata",
            stream.id));
  }
  if (std::ranges::find(stream.columns, *stream.replication_key, &singer::Column::name) ==
      stream.columns.end()) {
    throw Error(ExitCode::usage,
                fmt::format("replication key {} of stream {} is not one of its columns in the catalog",
                            *stream.replication_key, stream.id));
  }
}

/// Throws the Error of a row filter on a stream that is read from WAL.
[[noreturn]] void refuse_filter_of_changes(const config::Config& config, const StreamPlan& planned) {
  Problem problem{fmt::format("stream {} is LOG_BASED, and changes in WAL cannot be filtered by a row "
                              "filter ({})",
                              planned.stream.id, planned.where.front().place),
                  "remove the row filter, or use FULL_TABLE or INCREMENTAL"};
  if (config.log.plugin != config::LogSettings::Plugin::wal2json) {
    problem.needed += fmt::format(
        ". From PostgreSQL 15 on, pgoutput can filter the rows if the replica identity of the table has all "
        "columns of the condition, or else the server refuses UPDATE and DELETE: remove the row filter, run "
        "this SQL (without DROP TABLE if the table is not published), then run with --full-refresh {}",
        planned.stream.id);
    problem.fix = publish_rows(config.log.publications.front(),
                               {planned.stream.schema_name, planned.stream.table}, planned.where);
  }
  throw Error(ExitCode::usage, problem);
}

/// The ids that bookmarks of a stream can have. Taps that sync one database write ids without the database.
/// That database is the config's, `home`: such a tap has not synced the streams of others.
std::vector<std::string> bookmark_ids(const singer::Stream& stream, const std::string& database,
                                      const std::string& home) {
  const std::string short_id = fmt::format("{}-{}", stream.schema_name, stream.table);
  std::vector<std::string> ids = {stream.id};
  if (database == home && short_id != stream.id) {
    ids.push_back(short_id);
  }
  if (const std::string id = fmt::format("{}-{}", database, short_id); id != stream.id) {
    ids.push_back(id);
  }
  return ids;
}

using IdCounts = std::map<std::string, int>;

/// Renames a bookmark with another form of the stream's id, unless it may be that of another stream in the
/// catalog: `ids` are those of all streams.
void adopt_bookmark(singer::State& state, const StreamPlan& planned, const std::string& home,
                    const IdCounts& ids) {
  const singer::Stream& stream = planned.stream;
  for (const std::string& id : bookmark_ids(stream, planned.database, home)) {
    if (id == stream.id || state.find_bookmark(stream.id) != nullptr || state.find_bookmark(id) == nullptr) {
      continue;
    }
    if (const auto count = ids.find(id); count != ids.end() && count->second == 1) {
      log::info("{}: using the bookmark of {}", stream.id, id);
      state.rename_bookmark(id, stream.id);
    } else {
      log::warn(
          "{}: the bookmark {} is not used, because it may be that of another stream in the catalog; rename "
          "it in the state if it is this stream's",
          stream.id, id);
    }
  }
}

/// Why a bookmark has to be reset; empty if it is valid.
std::string reset_reason(const Json& bookmark, const StreamPlan& planned, bool refresh) {
  const singer::Stream& stream = planned.stream;
  if (refresh) {
    return "--full-refresh";
  }
  const auto method = bookmark.find("last_replication_method");
  if (method != bookmark.end() && *method != singer::method_name(planned.method)) {
    return fmt::format("the replication method has changed from {} to {}", to_text(*method),
                       singer::method_name(planned.method));
  }
  const auto key = bookmark.find("replication_key");
  const bool has_key_value =
      planned.method == ReplicationMethod::incremental && bookmark.contains("replication_key_value");
  if (has_key_value && (key == bookmark.end() || *key != *stream.replication_key)) {
    return fmt::format("the replication key has changed from {} to {}",
                       key == bookmark.end() ? "unknown" : to_text(*key), to_text(*stream.replication_key));
  }
  return "";
}

/// Converts what other taps store about WAL.
void convert_wal_bookmark(Json& bookmark) {
  const auto value = bookmark.find("replication_key_value");
  if (bookmark.value("replication_key", Json()) == "_sdc_lsn" && value != bookmark.end() &&
      value->is_number_integer() && !bookmark.contains("lsn")) {  // the SDK's form
    bookmark["lsn"] = *value;
    bookmark.erase("replication_key");
    bookmark.erase("replication_key_value");
  }
}

/// Prepares a stream's bookmark for the run: adopts, converts or resets it.
void prepare_bookmark(singer::State& state, const StreamPlan& planned, const std::string& home,
                      const IdCounts& ids, bool refresh) {
  adopt_bookmark(state, planned, home, ids);
  Json& bookmark = state.bookmark(planned.stream.id);
  for (const char* key : {"version", "last_replication_method", "replication_key"}) {
    if (bookmark.contains(key) && bookmark[key].is_null()) {
      bookmark.erase(key);
    }
  }
  if (!bookmark.contains("version")) {
    // The rows of an interrupted copy are in no version: it cannot be resumed. Without the copy's marks `lsn`
    // alone would say that the initial snapshot is complete.
    const auto xmin = bookmark.find("xmin");
    if (bookmark.contains("copy") || (xmin != bookmark.end() && !xmin->is_null())) {
      bookmark.erase("lsn");
    }
    bookmark.erase("xmin");
    bookmark.erase("copy");
  }
  if (const std::string why = reset_reason(bookmark, planned, refresh); !why.empty()) {
    log::info("{}: restarting from scratch: {}", planned.stream.id, why);
    reset_bookmark(bookmark);
  }
  if (planned.method == ReplicationMethod::log_based) {
    convert_wal_bookmark(bookmark);
  }
  // The SDK's notes about a run of its own.
  bookmark.erase("starting_replication_value");
  bookmark.erase("progress_markers");
  bookmark["last_replication_method"] = singer::method_name(planned.method);
}

/// Tells for each stream whether --full-refresh names it. Throws if no stream has one of the names.
std::vector<bool> to_refresh(const FullRefresh& refresh, const std::vector<StreamPlan>& planned) {
  std::vector<bool> is_refreshed(planned.size(), refresh.all);
  for (const std::string& name : refresh.streams) {
    bool found = false;
    for (std::size_t i = 0; i < planned.size(); ++i) {
      const StreamPlan& stream = planned[i];
      if (name == stream.stream.id || name == stream.name || name == stream.stream.table) {
        is_refreshed[i] = found = true;
      }
    }
    if (!found) {
      throw Error(ExitCode::usage,
                  fmt::format("--full-refresh {}: no selected stream has this tap_stream_id or name", name));
    }
  }
  return is_refreshed;
}

std::string database_of(const singer::Stream& stream, const std::string& home) {
  return stream.database.empty() ? home : stream.database;
}

StreamPlan plan_stream(const config::Config& config, const singer::Stream& stream) {
  StreamPlan planned;
  planned.stream = stream;
  planned.name =
      config.schema_in_stream_name ? fmt::format("{}_{}", stream.schema_name, stream.name) : stream.name;
  planned.database = database_of(stream, config.server.database());
  planned.method = method_of(stream, config);
  if (planned.method == ReplicationMethod::incremental) {
    require_replication_key(stream);
  }
  for (const singer::Column& column : stream.columns) {
    const bool is_key =
        planned.method == ReplicationMethod::incremental && column.name == *stream.replication_key;
    if (column.synced || is_key) {
      planned.columns.push_back(column.name);
    }
  }
  std::sort(planned.columns.begin(), planned.columns.end());
  planned.adds_new_columns = !config.log.tap_id.empty();  // as in PipelineWise's tap
  planned.where = row_filter(config, stream);
  if (planned.method == ReplicationMethod::log_based && !planned.where.empty()) {
    refuse_filter_of_changes(config, planned);
  }
  return planned;
}

/// This run acknowledges WAL that deselected log-based streams have not read: their positions are useless.
void reset_deselected(singer::State& state, const std::vector<singer::Stream>& catalog,
                      const std::vector<StreamPlan>& planned, const std::string& home, const IdCounts& ids) {
  std::set<std::string> databases;
  for (const StreamPlan& stream : planned) {
    if (stream.method == ReplicationMethod::log_based) {
      databases.insert(stream.database);
    }
  }
  for (const singer::Stream& stream : catalog) {
    const std::string database = database_of(stream, home);
    if (stream.selected || !databases.contains(database)) {
      continue;
    }
    for (const std::string& id : bookmark_ids(stream, database, home)) {
      const auto count = ids.find(id);
      if (state.find_bookmark(id) == nullptr || count == ids.end() || count->second > 1) {
        continue;
      }
      Json& bookmark = state.bookmark(id);
      convert_wal_bookmark(bookmark);
      if (oldest_needed_lsn(bookmark)) {
        log::info(
            "{}: it is not selected, so its changes are not read; its table is copied again once it is "
            "selected",
            stream.id);
        reset_bookmark(bookmark);
      }
    }
  }
}

}  // namespace

std::vector<StreamPlan> plan(const config::Config& config, const std::vector<singer::Stream>& catalog,
                             const FullRefresh& refresh, singer::State& state) {
  std::vector<StreamPlan> planned;
  for (const singer::Stream& stream : catalog) {
    if (stream.selected) {
      planned.push_back(plan_stream(config, stream));
    }
  }
  std::sort(planned.begin(), planned.end(),
            [](const StreamPlan& a, const StreamPlan& b) { return a.stream.id < b.stream.id; });
  const std::vector<bool> refreshed = to_refresh(refresh, planned);
  const std::string home = config.server.database();
  IdCounts ids;
  for (const singer::Stream& stream : catalog) {
    for (const std::string& id : bookmark_ids(stream, database_of(stream, home), home)) {
      ++ids[id];
    }
  }
  for (std::size_t i = 0; i < planned.size(); ++i) {
    prepare_bookmark(state, planned[i], home, ids, refreshed[i]);
  }
  planned.erase(std::remove_if(planned.begin(), planned.end(),
                               [](const StreamPlan& stream) {
                                 if (stream.columns.empty()) {
                                   log::warn("{}: no columns are selected, it is skipped", stream.stream.id);
                                 }
                                 return stream.columns.empty();
                               }),
                planned.end());
  reset_deselected(state, catalog, planned, home, ids);
  std::stable_partition(planned.begin(), planned.end(), [&](const StreamPlan& stream) {
    return stream.stream.id == state.currently_syncing();
  });
  return planned;
}

std::vector<Problem> shared_stream_names(const std::vector<StreamPlan>& streams) {
  std::map<std::string, std::vector<std::string>> ids;
  for (const StreamPlan& stream : streams) {
    ids[stream.name].push_back(stream.stream.id);
  }
  std::vector<Problem> problems;
  for (const auto& [name, sharing] : ids) {
    if (sharing.size() > 1) {
      problems.push_back(
          {fmt::format("{} are all sent as stream {}, so that the target mixes their rows and may "
                       "delete those of all but one",
                       fmt::join(sharing, ", "), name),
           "give each a name of its own",
           "set include_schemas_in_destination_stream_name to true, or change \"stream\" in the "
           "catalog"});
    }
  }
  return problems;
}

}  // namespace tap::sync
