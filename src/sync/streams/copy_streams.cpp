// SPDX-License-Identifier: Apache-2.0
#include "copy_streams.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>

#include <tap/base/log.hpp>
#include <tap/pg/catalog/table_sizes.hpp>

#include "side_by_side.hpp"
#include "stream_copy.hpp"
#include "stream_queue.hpp"

namespace tap::sync {

namespace {

using Streams = std::vector<const StreamPlan*>;

/// Reads how large the tables of one database are. Throws Error.
std::vector<StreamToCopy> with_sizes(const Streams& streams, RetryingConnection& database) {
  const std::string& name = streams.front()->database;
  const bool has_ranges = database.open(name).has_tid_range_scans();
  std::vector<pg::TableName> tables;
  for (const StreamPlan* const stream : streams) {
    tables.push_back({stream->stream.schema_name, stream->stream.table});
  }
  pg::CatalogSession session(database.server(), name);
  const std::vector<pg::TableSize> sizes = pg::table_sizes(session, tables);
  std::vector<StreamToCopy> sized;
  for (std::size_t i = 0; i < streams.size(); ++i) {
    const StreamPlan& stream = *streams[i];
    const bool is_divisible = has_ranges && stream.method != singer::ReplicationMethod::incremental &&
                              !stream.stream.is_view && !has_subquery(stream.where);
    sized.push_back({&stream, sizes[i].bytes, is_divisible});
  }
  return sized;
}

/// Removes and returns the streams to be copied side by side, if there are several.
std::vector<StreamToCopy> take_side_by_side(Streams& streams, RetryingConnection& database,
                                            std::size_t connections) {
  std::map<std::string, Streams> by_database;
  for (const StreamPlan* const stream : streams) {
    by_database[stream->database].push_back(stream);
  }
  std::vector<StreamToCopy> small;
  Streams others;
  for (const auto& [name, each] : by_database) {
    try {
      const std::vector<StreamToCopy> sized = with_sizes(each, database);
      small.insert(small.end(), sized.begin(), sized.end());
    } catch (const Error& error) {  // reported when a stream is copied
      log::debug("cannot read the sizes of the tables in {}: {}", name, error.what());
      database.drop();
      others.insert(others.end(), each.begin(), each.end());
    }
  }
  for (const StreamToCopy& large : take_large(small, connections)) {
    others.push_back(large.plan);
  }
  if (small.size() < 2) {
    return {};
  }
  std::erase_if(streams,
                [&](const StreamPlan* stream) { return std::ranges::find(others, stream) == others.end(); });
  return small;
}

/// Opens up to `count` more connections. If the server refuses one, logs why and returns fewer.
std::vector<std::unique_ptr<RetryingConnection>> open_others(const RetryingConnection& database,
                                                             const config::Config& config,
                                                             const std::string& name, std::size_t count) {
  std::vector<std::unique_ptr<RetryingConnection>> others;
  try {
    while (others.size() < count) {
      auto next = std::make_unique<RetryingConnection>(config, database.server());
      next->open(name);
      others.push_back(std::move(next));
    }
  } catch (const Error& error) {
    log::warn("copying with {} of {} connections: {}", others.size() + 1, count + 1, error.what());
  }
  return others;
}

}  // namespace

std::vector<std::string> copy_streams(const std::vector<StreamPlan>& streams, RetryingConnection& database,
                                      const config::Config& config, WalReplication& logs, StateWriter& states,
                                      singer::Writer& writer, RunReport& report) {
  Streams in_turn;
  for (const StreamPlan& stream : streams) {
    if (!logs.has_initial_snapshot(stream) && !logs.has_failed(stream)) {
      in_turn.push_back(&stream);
    }
  }
  std::vector<StreamToCopy> side_by_side;
  if (config.parallel > 1 && in_turn.size() > 1) {
    side_by_side = take_side_by_side(in_turn, database, config.parallel);
  }
  std::vector<std::string> failed;
  const auto note_end = [&](const StreamPlan& stream, const std::optional<std::string>& failure) {
    if (failure) {
      failed.push_back(stream.stream.id);
    }
    logs.note_copy(stream, !failure);
  };
  TableTransactions transactions(in_turn);
  for (const StreamPlan* const stream : in_turn) {
    note_end(*stream, copy_stream(database, *stream, config, transactions, logs, states, writer,
                                  report.stream(stream->stream.id)));
    writer.flush();
  }
  if (!side_by_side.empty()) {
    const std::size_t most = std::min<std::size_t>(config.parallel, side_by_side.size());
    const auto others = open_others(database, config, side_by_side.front().plan->database, most - 1);
    std::vector<RetryingConnection*> connections = {&database};
    for (const auto& other : others) {
      connections.push_back(other.get());
    }
    states.state().set_currently_syncing(std::nullopt);
    copy_side_by_side(std::move(side_by_side), connections, config, logs, states, writer, report, note_end);
  }
  return failed;
}

}  // namespace tap::sync
