// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <tap/base/error.hpp>
#include <tap/config/config.hpp>
#include <tap/singer/catalog.hpp>
#include <tap/singer/replication_method.hpp>
#include <tap/singer/state.hpp>
#include <tap/sync/row_filter.hpp>

namespace tap::sync {

/// What a run does with one stream.
struct StreamPlan {
  singer::Stream stream;
  std::string name;      ///< the stream's name in messages
  std::string database;  ///< the database of its table
  singer::ReplicationMethod method = singer::ReplicationMethod::full_table;
  std::vector<std::string> columns;  ///< the synced ones, by name: their order in a record
  std::vector<Condition> where;      ///< all of which the rows to be synced must meet
  bool adds_new_columns = false;     ///< columns that the catalog does not know are synced, too
};

/// The streams to restart from scratch, without their bookmarks.
struct FullRefresh {
  bool all = false;
  std::vector<std::string> streams;  ///< by id, or by name
};

/// The selected streams in the order in which they are synced: by tap_stream_id, after the one that the last
/// run was interrupted in. Does no input or output.
///
/// Prepares the bookmarks in `state`: each is found under its stream's id with or without the database, is
/// reset if the stream is to be refreshed or its method or replication key has changed, and gets its
/// `last_replication_method`. Log-based streams that are deselected lose their positions if others are read
/// from the WAL of the same database. Throws Error (ExitCode::usage) for every mistake in catalog and state.
std::vector<StreamPlan> plan(const config::Config& config, const std::vector<singer::Stream>& catalog,
                             const FullRefresh& refresh, singer::State& state);

/// Streams of one name, whose rows a target mixes: one Problem for each such name.
std::vector<Problem> shared_stream_names(const std::vector<StreamPlan>& streams);

}  // namespace tap::sync
