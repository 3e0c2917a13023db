// SPDX-License-Identifier: Apache-2.0
#include "copy_streams.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>

#include <tap/base/log.hpp>
#include <tap/pg/catalog/table_sizes.hpp>

#include "side_by_side.hpp"
#include "stream_copy.hpp"
#include "stream_queue.hpp"
#include "sync/copy/block_ranges.hpp"

namespace tap::sync {

namespace {

using Streams = std::vector<const StreamPlan*>;

/// The sizes of the streams' tables, all of one database. Zeros, with a message, if a table is locked for
/// long.
std::vector<pg::TableSize> read_sizes(const Streams& streams, pg::Connection& connection) {
  std::vector<pg::TableName> tables;
  for (const StreamPlan* const stream : streams) {
    tables.push_back({stream->stream.schema_name, stream->stream.table});
  }
  std::vector<pg::TableSize> sizes(streams.size());
  connection.pin_settings(true, "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY; ");
  connection.execute("SET LOCAL lock_timeout = '1s'");
  try {
    sizes = pg::table_sizes(connection, tables);
  } catch (const pg::ServerError& error) {
    log::info("cannot read the sizes of the tables in {} ({}): each is read over one connection",
              streams.front()->database, error.what());
  }
  connection.execute("ROLLBACK");
  return sizes;
}

/// True if all connections together can read a table of this size.
bool is_divisible(const StreamPlan& stream, std::uint64_t bytes, const config::Config& config) {
  constexpr std::uint64_t block = 8192;
  const BlockRanges ranges(Ctid(), {.blocks = bytes / block, .bytes = bytes},
                           {config.state_every_time, config.state_every_rows}, config.parallel);
  return stream.method != singer::ReplicationMethod::incremental && !stream.stream.is_view &&
         !has_subquery(stream.where) &&
         ranges.count_of_first_size() >= BlockRanges::kLeastOfReader * config.parallel;
}

/// Streams of one name must not alternate: a SCHEMA of one would be applied to RECORDs of the other.
std::set<std::string> names_of_several(const Streams& streams) {
  std::set<std::string> names;
  std::set<std::string> several;
  for (const StreamPlan* const stream : streams) {
    if (!names.insert(stream->name).second) {
      several.insert(stream->name);
    }
  }
  return several;
}

/// Removes and returns the streams to be copied side by side.
std::vector<StreamToCopy> take_side_by_side(Streams& streams, RetryingConnection& database,
                                            const config::Config& config) {
  const std::set<std::string> several = names_of_several(streams);
  std::map<std::string, Streams> by_database;
  for (const StreamPlan* const stream : streams) {
    if (!several.contains(stream->name)) {
      by_database[stream->database].push_back(stream);
    }
  }
  std::vector<StreamToCopy> small;
  for (const auto& [name, each] : by_database) {
    try {
      pg::Connection& connection = database.open(name);
      const bool has_ranges = connection.version().has_tid_range_scans();
      const std::vector<pg::TableSize> sizes = read_sizes(each, connection);
      for (std::size_t i = 0; i < each.size(); ++i) {
        small.push_back(
            {each[i], sizes[i].bytes, has_ranges && is_divisible(*each[i], sizes[i].bytes, config)});
      }
    } catch (const pg::PostgresError& error) {  // reported when its streams are copied
      log::debug("{} is not read side by side: {}", name, error.what());
      database.drop();
    }
  }
  take_large(small, config.parallel);
  if (small.size() < 2) {
    return {};
  }
  std::set<const StreamPlan*> taken;
  for (const StreamToCopy& stream : small) {
    taken.insert(stream.plan);
  }
  std::erase_if(streams, [&](const StreamPlan* stream) { return taken.contains(stream); });
  return small;
}

/// Opens up to `count` more connections. If that fails, logs why and returns fewer.
std::vector<std::unique_ptr<RetryingConnection>> open_more(const RetryingConnection& database,
                                                           const config::Config& config,
                                                           const std::string& name, std::size_t count) {
  std::vector<std::unique_ptr<RetryingConnection>> more;
  try {
    while (more.size() < count) {
      auto next = std::make_unique<RetryingConnection>(config, database.server());
      next->open(name);
      more.push_back(std::move(next));
    }
  } catch (const Error& error) {
    log::warn("copying with {} of {} connections: {}", more.size() + 1, count + 1, error.what());
  }
  return more;
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
    side_by_side = take_side_by_side(in_turn, database, config);
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
    const std::string& name = side_by_side.front().plan->database;
    const std::size_t most = std::min<std::size_t>(config.parallel, side_by_side.size());
    // Before the others, which may be all that the server still allows.
    database.attempt_until_done(
        name, side_by_side.front().plan->stream.id, [](const pg::Connection&) {}, [] { return false; });
    const auto more = open_more(database, config, name, most - 1);
    std::vector<RetryingConnection*> connections = {&database};
    for (const auto& each : more) {
      connections.push_back(each.get());
    }
    states.state().set_currently_syncing(std::nullopt);
    copy_side_by_side(std::move(side_by_side), connections, config, logs, states, writer, report, note_end);
  }
  return failed;
}

}  // namespace tap::sync
