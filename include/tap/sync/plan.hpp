// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include <tap/config/config.hpp>
#include <tap/singer/catalog.hpp>
#include <tap/singer/replication_method.hpp>
#include <tap/singer/state.hpp>

namespace tap::sync {

/// What a run does with one stream.
struct StreamPlan {
  singer::Stream stream;
  std::string name;      ///< the stream's name in messages
  std::string database;  ///< where it is read
  singer::ReplicationMethod method = singer::ReplicationMethod::full_table;
  std::vector<std::string> columns;  ///< the synced ones, by name: their order in a record
};

/// Which streams start anew, their bookmarks forgotten.
struct FullRefresh {
  bool all = false;
  std::vector<std::string> streams;  ///< by id, or by name
};

/// The selected streams in the order of work: by tap_stream_id, the one that the last run was cut off in
/// first. Every mistake in catalog and state surfaces here, before a byte is written: Error
/// (ExitCode::usage). Each selected stream's bookmark is found under its id with or without the database, is
/// emptied if it is to be refreshed or its method or key has changed, and gets its `last_replication_method`.
std::vector<StreamPlan> plan(const config::Config& config, const std::vector<singer::Stream>& catalog,
                             const FullRefresh& refresh, singer::State& state);

}  // namespace tap::sync
